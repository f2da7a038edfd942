import { after } from "node:test";

/** Ends what the tests of a file share once all of them have run, the last one first. */
export function endedWithFile(): { after(end: () => Promise<void>): void } {
  const ends: (() => Promise<void>)[] = [];
  after(async () => {
    for (const end of ends.reverse()) await end();
  });
  return { after: (end) => void ends.push(end) };
}
