import { before, test } from "node:test";
import { endedWithFile } from "../../integration/support/ended-with-file.ts";
import type { Call } from "./counted.ts";
import { killEverywhere } from "./crash.ts";
import { OwnCase } from "./own-case.ts";
import type { OwnData } from "./own-scenario.ts";
import { type DatabaseServer, startDatabaseServer } from "./postgres-server.ts";

let server: DatabaseServer;
const shared = endedWithFile();
before(async () => {
  server = await startDatabaseServer(shared);
});

const isWhole = process.env.KEYPLANE_SCALE === "prove";
/** In `npm test` the one with the most to lose; crash.test.ts has the engine's own. */
const kinds = OwnCase.all(() => server).filter(([kind]) => kind === "fernet" || isWhole);

/** States in which a kind differs from others; the rest is the engine's own. */
const own = ["generate", "stage", "deliver-listeners", "migrate", "revoke", "verify", "rolling-back"];
const only = ({ state }: Call) => isWhole || own.includes(state);

for (const [kind, open] of kinds) {
  for (const rollsBack of [false, true]) {
    const what = `killed before and after every call${rollsBack ? " of rolling back" : ""}`;
    test(`${kind}: ${what}, another runner ends it; what is in force works at every moment`, async (t) => {
      const kept = open();
      await killEverywhere<OwnData>(t, {
        scenario: import.meta.resolve("./own-scenario.ts"),
        ...(rollsBack && { rollsBack: "aborted", perState: 3 }),
        only,
        prepare: () => kept.prepare(),
        held: async (data, at) => kept.works(data, await kept.held(data), at),
        converged: (data, _outcome, at) => kept.assertEnded(data, rollsBack, at),
        values: (data) => kept.values(data),
      });
    });
  }
}
