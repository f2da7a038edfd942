import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Vault } from "../clients/vault.ts";
import type { Consumer, Secret } from "../model/model.ts";
import { rotate } from "../operations/rotation/engine.ts";
import { callsPerRotation } from "../operations/rotation/fleet.ts";
import type { Rotator } from "../operations/rotation/rotator.ts";
import { ensureFirstValues } from "../operations/values/first.ts";
import { peakToMean, simulate, used } from "../test/operations/rotation/simulated-fleet.ts";
import { localModel, makePlatform, startTestVault } from "../test/operations/vault.ts";
import { median, milliseconds, type Row, type Scale } from "./measure.ts";
import { reEncryption } from "./re-encryption.ts";

/** What a rotation costs beside its target's own calls, how 10,000 due secrets are spread, how fast rows are re-encrypted. */
export async function rotations(scale: Scale): Promise<Row[]> {
  return [...(await overhead(scale)), ...(await fleet(scale)), ...(await reEncryption(scale))];
}

/** A target with the usual calls of a provider, each of which takes a while. */
const replyAfter = 50;

async function overhead(scale: Scale): Promise<Row[]> {
  const server = await startTestVault();
  const accepted = new Set<string>();
  const target = createServer((request, response) => {
    const [, call = "", value = ""] = (request.url ?? "").split("/");
    if (call === "accept") accepted.add(value);
    if (call === "refuse") accepted.delete(value);
    setTimeout(() => response.end(JSON.stringify({ accepted: accepted.has(value) })), replyAfter);
  });
  await new Promise<void>((done) => target.listen(0, "127.0.0.1", done));
  try {
    const model = await localModel(server);
    const sign = await makePlatform(server, model);
    const { auth } = await server.root.write("auth/github/login", {
      role: "keyplane.rotate",
      jwt: await sign("rotate.yml"),
    });
    const token = auth?.client_token ?? "";
    const vault = new Vault({ address: server.address, ca: server.ca, token });
    const address = `http://127.0.0.1:${(target.address() as AddressInfo).port}`;
    const plain = model.secrets.find(({ id }) => id === "soma/redis");
    if (plain === undefined) throw new Error("soma/redis is not in the catalogue");
    const secret: Secret = { ...plain, rotate: { ...plain.rotate, overlap: 0 }, idle: { source: "none" } };
    const one = { ...model, secrets: [secret] };
    await ensureFirstValues(vault, one, () => {});
    let inTarget = 0;
    const ask = async (path: string): Promise<boolean> => {
      const start = performance.now();
      const answer = (await (await fetch(`${address}/${path}`)).json()) as { accepted: boolean };
      inTarget += performance.now() - start;
      return answer.accepted;
    };
    const rotator: Rotator = {
      create: async () => ({ password: randomBytes(24).toString("base64url") }),
      stage: async (_, next) => void (await ask(`accept/${next.password}`)),
      probe: async (_, next) => void (await ask(`check/${next.password}`)),
      idle: async () => ({ state: "idle", evidence: "the target says so" }),
      revoke: async (_, old) => void (await ask(`refuse/${old.password}`)),
      verify: async (_, old) => void (await ask(`check/${old.password}`)),
    };
    const ratios: number[] = [];
    const [times, calls]: [number[], number[]] = [[], []];
    const reach = { manage: refuse, login: refuse, fetch };
    const sinks = (_: Consumer) => [];
    for (let round = 0; round <= (scale.full ? 50 : 10); round++) {
      inTarget = 0;
      const start = performance.now();
      const outcome = await rotate({
        ...{ vault, model: one, secret, rotator, reach, sinks, probes: () => [], reason: "scheduled" },
        ...{ by: "bench", report: () => {}, wait: true },
      });
      if (outcome.state !== "done") throw new Error(`the rotation is ${outcome.state}: ${outcome.waiting}`);
      const took = performance.now() - start;
      if (round === 0) continue;
      times.push(took);
      calls.push(inTarget);
      ratios.push((took - inTarget) / inTarget);
    }
    await vault.close();
    return [
      {
        what: `A rotation without overlap: the engine, with Vault, ÷ the target's own calls (${replyAfter} ms each)`,
        measured: `${milliseconds(median(times) - median(calls))} ÷ ${milliseconds(median(calls))}`,
        ratio: median(ratios),
      },
    ];
  } finally {
    target.closeAllConnections();
    target.close();
    await server.stop();
  }
}

function refuse(): Promise<never> {
  throw new Error("this target is no database");
}

async function fleet(scale: Scale): Promise<Row[]> {
  const rate = { calls: 600, interval: 60, perRotation: callsPerRotation };
  const many = { secrets: 10_000, services: 5_000, spread: 0, rate };
  scale.say("10,000 secrets due at one moment, one provider …");
  const bound = await simulate({
    ...many,
    within: 3600,
    providers: 1,
    concurrent: { perService: 1, total: 500 },
  });
  const [provider] = bound.providers;
  if (provider === undefined) throw new Error("the simulation has no provider");
  scale.say("10,000 secrets due at one moment, a day to begin …");
  const day = await simulate({
    ...many,
    within: 86_400,
    providers: 0,
    concurrent: { perService: 1, total: 50 },
  });
  const hours = (time: number) => `${(time / 3_600_000).toFixed(2)} h`;
  return [
    {
      what: "10,000 due at once at a provider of 600 calls a minute (simulated clock): calls in the busiest minute ÷ mean",
      measured: `${provider.times.length} calls in ${hours(bound.longestWait)}, ${provider.throttled} throttled`,
      ratio: peakToMean(provider.times, 60_000),
      goal: "≤ 1.2",
    },
    {
      what: "The same: rate used ÷ the provider's bound, without one throttled call",
      measured: `${provider.throttled} of ${provider.times.length} calls throttled`,
      ratio: used(provider, rate),
      goal: "≥ 0.6",
    },
    {
      what: "10,000 due at once, to begin within a day (simulated clock): starts in the busiest 5 minutes ÷ mean",
      measured: `${day.ends.length} rotated, the last began after ${hours(day.longestWait)}, at most ${day.most.total} at once`,
      ratio: peakToMean(day.starts, 300_000),
      goal: "≤ 1.2",
    },
  ];
}
