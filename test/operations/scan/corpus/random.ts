/** A seeded source of everything that a corpus is made of (mulberry32): the same seed, the same corpus. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, below). */
  int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.int(items.length)] as Item;
  }

  /** So many characters of an alphabet. */
  text(alphabet: string, length: number): string {
    let text = "";
    for (let at = 0; at < length; at++) text += alphabet[this.int(alphabet.length)];
    return text;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.int(256)));
  }

  shuffled<Item>(items: readonly Item[]): Item[] {
    const list = [...items];
    for (let at = list.length - 1; at > 0; at--) {
      const other = this.int(at + 1);
      [list[at], list[other]] = [list[other] as Item, list[at] as Item];
    }
    return list;
  }
}

export const digits = "0123456789";
export const lower = "abcdefghijklmnopqrstuvwxyz";
export const upper = lower.toUpperCase();
export const letters = lower + upper;
export const alnum = letters + digits;
export const lowerAlnum = lower + digits;
export const upperAlnum = upper + digits;
export const hex = `${digits}abcdef`;
export const base32 = `${upper}234567`;
export const word = `${alnum}_-`;
export const base64 = `${alnum}+/`;

/** Words that names, prose and passwords are made of. */
export const words =
  "account anchor archive balance bridge bucket candle canyon cargo cedar circle cobalt copper coral crystal delta desert dragon eagle ember falcon feather forest galaxy garden glacier granite harbor hazel horizon island jasmine jungle kernel lagoon lantern lemon lion lotus magnet maple marble meadow mercury meteor mirror monsoon mountain nebula ocean olive orange orchid otter palace pebble pepper phoenix planet prairie quartz rabbit raven river rocket saffron salmon sapphire shadow silver sparrow spring summer sunset thunder tiger timber tulip valley velvet violet walnut willow winter zephyr".split(
    " ",
  );
