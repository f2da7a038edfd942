import assert from "node:assert/strict";
import { before, test } from "node:test";
import { rotateSecret } from "../../local/aws/rotate-secret.ts";
import { endedWithFile } from "../integration/support/ended-with-file.ts";
import { type RotatedUsers, startRotatedUsers } from "./database-users.ts";

const rotations = process.env.KEYPLANE_SCALE === "prove" ? 100 : 5;
const clients = 4;

let stack: RotatedUsers;
const shared = endedWithFile();

before(async () => {
  stack = await startRotatedUsers(shared);
});

/** Logs in again and again with what Secrets Manager says is in force, as a connection pool of AWS does. */
class Logins {
  accepted = 0;
  readonly users = new Set<string>();
  readonly failed: string[] = [];
  #stopped = false;
  readonly #running: Promise<void>[];

  constructor(secret: string) {
    this.#running = Array.from({ length: clients }, () => this.#run(secret));
  }

  async #run(secret: string): Promise<void> {
    while (!this.#stopped) {
      const value = await stack.aws.value(secret);
      const { username: user = "", password = "" } = value ?? {};
      try {
        const client = await stack.server.connect(stack.like, { user, password });
        await client.query("insert into public.keyplane_sample (note) values ($1)", ["login"]);
        await client.end();
        this.accepted++;
        this.users.add(user);
      } catch (error) {
        this.failed.push(`${user}: ${error instanceof Error ? error.message : error}`);
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }
}

test(`no login with the value in force fails in ${rotations} rotations by the real function (R27, R31)`, async (t) => {
  const { arn, logins } = await stack.user();
  const rotate = () => rotateSecret({ secrets: stack.aws.secrets, lambda: stack.aws.lambda, secret: arn });
  await rotate();
  const load = new Logins(arn);
  const began = performance.now();
  for (let count = 0; count < rotations; count++) await rotate();
  const seconds = (performance.now() - began) / 1000;
  await load.stop();
  assert.deepEqual(load.failed, []);
  assert.deepEqual([...load.users].sort(), logins);
  assert.ok(load.accepted > rotations * clients, `${load.accepted} logins in ${rotations} rotations`);
  t.diagnostic(
    `${rotations} rotations in ${seconds.toFixed(1)} s under load: ${load.accepted} logins (${Math.round(load.accepted / seconds)}/s), 0 failed`,
  );
});
