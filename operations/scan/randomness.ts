/**
 * How much more likely a pair of letters is in names and prose than in random text: a row per first letter, a column
 * per second one; "n" is as likely, each letter up or down half a bit. Counted over the 18,542 words in the
 * documentation of the packages that this repository depends on.
 */
const pairs = [
  "jqrqjlpgpgmtpscpesruomljmi",
  "pjjjojecoigqhgnhammiodabjc",
  "rinjrhcrpdppjftiepmrofcckc",
  "okimtjigrfglhjoibmohniefja",
  "rmsuopojlijrqulpmvurkolqmf",
  "nhjiooacqcbmdgodamjkmcbdla",
  "ngheqflmoaclimmjaomimdeahg",
  "qdcfracapafgjhofbmhmkacaia",
  "pnrqqppddejqqvsoforshpalco",
  "jacalaabgaaaabkeaamgicjaaa",
  "kffhpgfdnadhfiihagmhiefaga",
  "rjjntjhhsdirghrkagnnnjeaqe",
  "rlgisefcqfekmgoqdfmgmdachd",
  "qirrrntiqimkjmplejstmmgakh",
  "mnppjmngmhmpquopatppqnoijg",
  "rhiirgilobiqihqocrnpngeeia",
  "aaaaaaaadaaiaaaaabaaoaaaaa",
  "skoovkmfsamlonslborqnlicob",
  "ogpiskeprdllkjppijrtqhjgmc",
  "rhokuiiqufcnjirlarqoodjfoe",
  "nonloklcnafporioaqpqfeagdc",
  "odfcrafcoaacddlbachgfeabba",
  "neaencelmafhalmaalkhaafdbb",
  "iakdldaelaabgagnbbembaaffa",
  "jhhdkgeakbcijljnaflidagaef",
  "kbbdnaaekaefcaiaabeadaaadf",
];

/**
 * Evidence in bits that a text is made of words: random letters have less than 6 in 998 of 1,000 texts of 24
 * characters, names such as "titan/hmac" more.
 */
export function wordiness(text: string): number {
  let halfBits = 0;
  let before = -1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at) | 32;
    const letter = code >= 97 && code <= 122 ? code - 97 : -1;
    if (letter >= 0 && before >= 0) halfBits += (pairs[before] as string).charCodeAt(letter) - 110;
    before = letter;
  }
  return halfBits / 2;
}

/** How common a pair of characters of a lower-case text is in files, in bits over chance; blanks are, signs are not. */
export function commonness(text: string, at: number): number {
  const [first = 0, second = 0] = [text.charCodeAt(at) - 97, text.charCodeAt(at + 1) - 97];
  if (text[at] === " " || text[at + 1] === " ") return 4;
  return ((pairs[first]?.charCodeAt(second) || 97) - 110) / 2;
}

/** Shannon's entropy of a text's characters, in bits per character. */
export function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** Whether a text counts up or down, repeats one character, or repeats its own beginning. */
export function isRegular(text: string): boolean {
  let steps = 0;
  for (let at = 1; at < text.length; at++) {
    if (Math.abs(text.charCodeAt(at) - text.charCodeAt(at - 1)) <= 1) steps++;
  }
  if (steps * 2 >= text.length) return true;
  for (let period = 1; period <= Math.min(text.length / 2, 32); period++) {
    if (text.startsWith(text.slice(period))) return true;
  }
  return false;
}

/**
 * Whether a text looks drawn by a machine: no name, no sentence, no sequence.
 * @param length the least number of characters
 */
export function isRandom(text: string, length = 16): boolean {
  if (text.length < length || isRegular(text)) return false;
  if (/^[0-9]+$/.test(text)) return false;
  if (/^[0-9a-f-]+$|^[0-9A-F-]+$/.test(text))
    return /[0-9]/.test(text) && /[a-f]/i.test(text) && entropy(text) >= 2.5;
  return entropy(text) >= Math.min(3, Math.log2(length) - 0.6) && wordiness(text) < 6 && mixes(text);
}

/** Digits among letters, or letters of both cases that are no words. */
function mixes(text: string): boolean {
  if (!/[A-Za-z]/.test(text)) return false;
  return /[0-9]/.test(text) || (/[a-z]/.test(text) && /[A-Z]/.test(text) && wordiness(text) < -6);
}
