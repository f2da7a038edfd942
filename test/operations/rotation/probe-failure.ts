import assert from "node:assert/strict";
import type { ConsumerProbe } from "../../../operations/rotation/observer.ts";
import { ProbeError } from "../../../operations/rotation/rotator.ts";

/** What a probe that fails says. */
export async function failure(probe: ConsumerProbe): Promise<string> {
  const error = await probe.check(new AbortController().signal).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ProbeError, String(error));
  return error.message;
}
