import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Vault } from "../../clients/vault.ts";
import { loginAs, type PlatformRole } from "../../local/identity.ts";
import type { Report } from "../../local/progress.ts";
import { stopServices } from "../../local/services/index.ts";
import { type UpOptions, type UpResult, up } from "../../local/up.ts";
import type { Session } from "../../operations/login.ts";
import type { Running } from "./support/credentials.ts";

/** A whole local stack of a test's own, in a temporary folder, on ports of its own. */
export interface TestStack extends AsyncDisposable {
  home: string;
  /** The first update's result. */
  first: UpResult;
  /** A client without a token, trusting the stack's CA. */
  vault: Vault;
  /** What the tests of credentials need of it, as the first update made it. */
  running: Running;
  /** The same update again. */
  up(options?: Partial<UpOptions>): Promise<UpResult>;
  /** A session with one of the platform's own roles; whoever asked for it ends it. */
  as(role: PlatformRole): Promise<Session>;
}

/** Brings up the shipped catalogue (or another folder) for real; disposing stops it and removes its data. */
export async function startStack(options: { catalogue?: string; report?: Report } = {}): Promise<TestStack> {
  const home = join(await mkdtemp(join(tmpdir(), "keyplane-test-")), "home");
  const defaults: UpOptions = {
    home,
    catalogue: options.catalogue ?? "catalogue",
    dryRun: false,
    providers: "local",
    report: options.report ?? (() => {}),
  };
  const dispose = async () => {
    await stopServices(home, { deleteData: true, report: () => {} });
    await rm(join(home, ".."), { recursive: true, force: true });
  };
  try {
    const first = await up(defaults);
    const vault = new Vault({ address: first.services.vault.address, ca: first.services.vault.ca });
    return {
      home,
      first,
      vault,
      running: { services: first.services, model: first.model, vault },
      up: (more = {}) => up({ ...defaults, ...more }),
      as: (role) => loginAs(first.services, first.model, vault, role),
      async [Symbol.asyncDispose]() {
        await vault.close();
        await dispose();
      },
    };
  } catch (error) {
    // What failed first is what matters.
    await dispose().catch(() => {});
    throw error;
  }
}
