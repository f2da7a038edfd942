/**
 * A runner as `keyplane rotate NAME` starts one: rotates a secret as far as it goes now, or until it is killed. Its input comes on
 * standard input, what became of the rotation goes to standard output.
 */
import { text } from "node:stream/consumers";
import { Vault } from "../../../clients/vault.ts";
import type { Database, Model, Secret } from "../../../model/model.ts";
import { vaultClock } from "../../../operations/rotation/clock.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import { rotateMany } from "../../../operations/rotation/fleet-runner.ts";
import type { Connection } from "../../../operations/rotation/rotator.ts";

export interface Rotating {
  vault: { address: string; ca: string; token: string };
  model: Model;
  secret: Secret;
  ca: string;
  /** Milliseconds by which its clock is ahead of Vault's: the lease of one that was killed has run out by then. */
  ahead: number;
  /** Dies as if killed, right before or after the statement that writes this many batches. */
  dies?: { batches: number; when: "before" | "after" };
}

const { vault: options, model, secret, ca, ahead, dies } = JSON.parse(await text(process.stdin)) as Rotating;
const vault = new Vault(options);
const reach = databaseReach({ vault, model, ca });
let batches = 0;

async function manage(database: Database): Promise<Connection> {
  const connection = await reach.manage(database);
  return {
    end: () => connection.end(),
    async query(statement, values) {
      const isBatch = statement.includes("SKIP LOCKED") && ++batches === dies?.batches;
      if (isBatch && dies?.when === "before") process.kill(process.pid, "SIGKILL");
      const answer = await connection.query<never>(statement, values);
      if (isBatch) process.kill(process.pid, "SIGKILL");
      return answer;
    },
  };
}

const vaults = await vaultClock(vault);
const [row] = await rotateMany(
  {
    ...{
      vault,
      model,
      by: "keyplane.rotate",
      host: { runs: "/nowhere" },
      reach: { ...reach, manage, fetch },
    },
    report: ({ text: said }) => console.error(said),
    signal: new AbortController().signal,
    clock: {
      now: () => new Date(vaults.now().getTime() + ahead),
      sleep: (milliseconds, signal) => vaults.sleep(milliseconds, signal),
      observe: (said, took) => vaults.observe?.(said, took),
    },
  },
  [secret],
  { what: "these", reason: "scheduled" },
  { wait: false },
);
if (row !== undefined && "error" in row) throw row.error;
console.log(JSON.stringify(row));
await vault.close();
