import { after } from "node:test";
import { startStack, type TestStack } from "../stack.ts";
import { copyCatalogue } from "../support/catalogue-copy.ts";

/** Two, so that one of them is not the whole rule. */
export const branches = ["main", "release/1.x"];

let started: Promise<TestStack> | undefined;

/** The one stack: of the shipped catalogue, with jobs of two branches. */
export function oneStack(): Promise<TestStack> {
  started ??= start();
  return started;
}

async function start(): Promise<TestStack> {
  await using catalogue = await copyCatalogue(
    /^ {2}local: \{\}/m,
    `  local: { github: { branches: [${branches}] } }`,
  );
  return await startStack({ catalogue: catalogue.folder });
}

after(async () => (await started)?.[Symbol.asyncDispose]());
