/** Numbers in [0, 1) that are the same on every run of one seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** `count` moments spread over `duration`: one in each of as many equal slices, at a seeded place in it. */
export function momentsOver(duration: number, count: number, seed: number): number[] {
  const random = seeded(seed);
  return Array.from({ length: count }, (_, slice) => ((slice + random()) / count) * duration);
}

/** Ten by default, a hundred in `npm run prove`. */
export const crashes = process.env.KEYPLANE_SCALE === "prove" ? 100 : 10;
