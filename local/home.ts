import { mkdir } from "node:fs/promises";
import { lock } from "proper-lockfile";

/** Another `keyplane` command works on the same local state folder. */
export class HomeInUseError extends Error {
  override name = "HomeInUseError";
}

/** Holds the local state folder for one command. A holder that was killed loses it after ten seconds. */
export async function holdHome(home: string): Promise<AsyncDisposable> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  let release: () => Promise<void>;
  try {
    release = await lock(home, {
      lockfilePath: `${home}/up.lock`,
      stale: 10_000,
      update: 2_000,
      retries: { retries: 15, minTimeout: 1_000, maxTimeout: 1_000, factor: 1 },
    });
  } catch (cause) {
    throw new HomeInUseError(
      `Another keyplane command works on ${home}. Wait for it to end, then run this one again.`,
      { cause },
    );
  }
  return { [Symbol.asyncDispose]: release };
}
