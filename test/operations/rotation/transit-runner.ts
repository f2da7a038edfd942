/** Takes an encryption key as far as it goes, in a process of its own that is killed where its input says. */
import { text } from "node:stream/consumers";
import { Vault } from "../../../clients/vault.ts";
import type { EncryptionKey, Model } from "../../../model/model.ts";
import { databaseReach } from "../../../operations/rotation/connect.ts";
import { rotateEncryptionKey } from "../../../operations/rotation/transit.ts";
import { Calls, type CrashPoint, countedReach } from "./counted.ts";

export interface KeyRun {
  vault: { address: string; ca: string; token: string };
  model: Model;
  key: EncryptionKey;
  /** Of the databases. */
  ca: string;
  at?: CrashPoint;
}

const { vault: options, model, key, ca, at } = JSON.parse(await text(process.stdin)) as KeyRun;
const calls = new Calls(at);
const vault = new Vault(options);
const reach = { ...databaseReach({ vault, model, ca }), fetch };
const outcome = await rotateEncryptionKey({
  vault: calls.vault(vault, key),
  model,
  key,
  reach: countedReach(reach, calls.count),
  reason: "compromise",
  owner: "the killed",
  report: ({ subject, state, text: said }) => console.error(`${subject} ${state} ${said}`),
  signal: new AbortController().signal,
});
console.log(JSON.stringify({ outcome, calls: calls.all }));
await vault.close();
