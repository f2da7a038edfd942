/** A runner that re-encrypts until nothing is left, or until it is killed. Its input comes on standard input. */
import { text } from "node:stream/consumers";
import { Vault } from "../../../clients/vault.ts";
import type { Database, Model, Secret } from "../../../model/model.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import type { Connection } from "../../../operations/rotation/rotator.ts";
import { fernet } from "../../../operations/rotation/rotators/fernet.ts";
import type { Fields } from "../../../operations/values/shape.ts";

export interface ReEncrypting {
  vault: { address: string; ca: string; token: string };
  model: Model;
  secret: Secret;
  ca: string;
  old: Fields;
  next: Fields;
  /** Dies as if killed, right before or after the statement that writes this many batches. */
  dies?: { batches: number; when: "before" | "after" };
}

const {
  vault: options,
  model,
  secret,
  ca,
  old,
  next,
  dies,
} = JSON.parse(await text(process.stdin)) as ReEncrypting;
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

const context = {
  vault,
  model,
  secret,
  rotation: "scale",
  reason: "scheduled" as const,
  reach: { ...reach, manage, fetch },
  now: () => new Date(),
  report: ({ text }: { text: string }) => console.log(text),
  signal: new AbortController().signal,
};
for (let left = 1; left > 0; ) left = (await fernet.migrate?.(context, next, old)) ?? 0;
await vault.close();
