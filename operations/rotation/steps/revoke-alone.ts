import type { Fields } from "../../values/shape.ts";
import { StillAcceptedError } from "../rotator.ts";
import type { Run, Turn } from "../run.ts";
import { again } from "./consumer.ts";

/**
 * What is retired is given to nobody: no person is asked for its next value. One that may have leaked is revoked, which ends
 * the rotation; anything else goes back.
 */
export async function revokeAlone(run: Run, current: Fields | undefined): Promise<Turn> {
  const { id, retired } = run.secret;
  if (!run.isShort || current === undefined) {
    const failure = `${id} is retired (${retired?.reason}): nobody is asked for its next value`;
    return { to: "rolling-back", changes: { failure }, text: `rolls back: ${failure}` };
  }
  try {
    await run.act(() => run.rotator.revoke(run.context, current, {}));
    await run.act(() => run.rotator.verify(run.context, current, {}));
  } catch (error) {
    if (!(error instanceof StillAcceptedError)) throw error;
    return { wait: error.message, until: again(run), isStuck: true };
  }
  run.note(
    `the value in force is revoked: give it a value with \`keyplane set ${id}\` should it be used again`,
  );
  return { to: "done", text: "the value in force is revoked, and no other follows" };
}
