import type { Consumer, Model, Secret } from "../../../model/model.ts";
import { type Running, type Sink, StaleBundleError } from "../../../operations/delivery/sink.ts";
import type { ConsumerProbe, Watch } from "../../../operations/rotation/observer.ts";
import {
  ProbeError,
  type Reach,
  type Rotator,
  StillAcceptedError,
  TargetUnavailableError,
} from "../../../operations/rotation/rotator.ts";
import type { Subject } from "../../../operations/rotation/run.ts";
import { type Fields, freshFields } from "../../../operations/values/shape.ts";

type Ask = (what: object) => Promise<Record<string, unknown>>;

/** Asks a world; a target that cannot be asked, or asks to wait, is unavailable. */
function asking(reach: Pick<Reach, "fetch">, address: string): Ask {
  return async (what) => {
    let response: Response;
    try {
      response = await reach.fetch(address, {
        method: "POST",
        body: JSON.stringify(what),
        headers: { connection: "close" },
      });
    } catch (cause) {
      throw new TargetUnavailableError("the world could not be reached", { cause });
    }
    if (response.status === 429)
      throw new TargetUnavailableError("the world asks to wait", { retryAfter: 0 });
    return (await response.json()) as Record<string, unknown>;
  };
}

const usedOf = (fields: Fields) => fields.primary ?? fields.password ?? "";

/** A rotator of a world: its target accepts what it is told (hmac), or makes the value itself (password). */
export function fakeRotator(address: string): Rotator {
  return {
    async create({ secret, reach, rotation, now }, current) {
      if (secret.kind === "hmac") return freshFields(secret, current, now());
      const made = await asking(reach, address)({ do: "make", rotation });
      return { password: String(made.value) };
    },
    async stage({ reach, rotation }, next) {
      await asking(reach, address)({ do: "accept", value: usedOf(next), rotation });
    },
    async probe({ reach }, next) {
      const { works } = await asking(reach, address)({ do: "probe", value: usedOf(next) });
      if (works !== true) throw new ProbeError("the target refuses the new value");
    },
    async idle({ reach }) {
      const { users, idleness } = await asking(reach, address)({ do: "users" });
      if (idleness === "unknown") return { state: "unknown", why: "nobody counts" };
      const by = users as string[];
      return by.length > 0
        ? { state: "in use", by, evidence: "seen now" }
        : { state: "idle", evidence: "no use seen" };
    },
    async revoke({ reach }, old) {
      await asking(reach, address)({ do: "refuse", value: usedOf(old) });
      return undefined;
    },
    async verify({ reach }, old) {
      const { accepted } = await asking(reach, address)({ do: "accepts", value: usedOf(old) });
      if (accepted === true) throw new StillAcceptedError("the target still accepts the old value");
    },
    async discard({ reach, rotation }) {
      await asking(reach, address)({ do: "discard", rotation });
    },
  };
}

/** The way to a consumer of a world. */
export function fakeSink(reach: Pick<Reach, "fetch">, address: string, consumer: Consumer): Sink {
  const ask = asking(reach, address);
  return {
    name: `files of ${consumer.name}`,
    async write({ variables, versions }) {
      const fields = Object.fromEntries(
        Object.entries(consumer.as).map(([variable, field]) => [field, variables[variable] ?? ""]),
      );
      const version = Math.max(0, ...Object.values(versions));
      const { changed, stale } = await ask({ do: "write", consumer: consumer.id, fields, version });
      if (stale === true) throw new StaleBundleError(`${consumer.id} has a newer version`);
      return changed === true;
    },
    async reload() {
      await ask({ do: "reload", consumer: consumer.id });
    },
    async running(_secret, version) {
      return (await ask({ do: "running", consumer: consumer.id, version })) as unknown as Running;
    },
  };
}

/** Only of what a target outside checks. */
function fakeAccepts(address: string): NonNullable<Rotator["accepts"]> {
  return async ({ reach }, version) =>
    (await asking(reach, address)({ do: "accepts", value: usedOf(version) })).accepted === true;
}

function fakeProbe(reach: Pick<Reach, "fetch">, address: string, consumer: Consumer): ConsumerProbe {
  return {
    name: "/health",
    async check() {
      const { healthy } = await asking(reach, address)({ do: "health", consumer: consumer.id });
      if (healthy !== true) throw new ProbeError("it is not healthy");
    },
  };
}

function fakeWatch(reach: Pick<Reach, "fetch">, address: string): Watch {
  const errors = async () => Number((await asking(reach, address)({ do: "errors" })).errors);
  return {
    baseline: async () => ({ errors: await errors() }),
    unanswered: () => [],
    judge: async ({ errors: before = 0 }) => {
      const now = await errors();
      return now > before ? { state: "raised", names: [`errors ${before} → ${now}`] } : { state: "ok" };
    },
  };
}

/** What rotates a secret of a world. */
export function fakeSubject(
  vault: Subject["vault"],
  { model, secret, address }: { model: Model; secret: Secret; address: string },
): Subject {
  const none = async (): Promise<never> => {
    throw new Error("the world has no database");
  };
  const reach: Reach = { manage: none, login: none, fetch };
  return {
    vault,
    model,
    secret,
    reach,
    rotator: {
      ...fakeRotator(address),
      ...(secret.kind === "password" && { accepts: fakeAccepts(address) }),
    },
    sinks: (consumer) => [fakeSink(reach, address, consumer)],
    probes: (consumer) => [fakeProbe(reach, address, consumer)],
    watch: fakeWatch(reach, address),
  };
}
