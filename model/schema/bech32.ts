const letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

/**
 * Whether a lower-case Bech32 text has the checksum that its letters ask for, so that one wrong letter shows.
 * https://github.com/bitcoin/bips/blob/master/bip-0173.mediawiki
 */
export function hasChecksum(text: string): boolean {
  const split = text.lastIndexOf("1");
  const prefix = [...text.slice(0, split)].map((letter) => letter.charCodeAt(0));
  const values = [...text.slice(split + 1)].map((letter) => letters.indexOf(letter));
  const expanded = [...prefix.map((code) => code >> 5), 0, ...prefix.map((code) => code & 31), ...values];
  let sum = 1;
  for (const value of expanded) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (const [bit, term] of generator.entries()) if (((top >>> bit) & 1) === 1) sum ^= term;
  }
  return split > 0 && !values.includes(-1) && sum === 1;
}
