import type { RequestOptions, Vault, VaultResponse } from "../../../clients/vault.ts";
import type { Sink } from "../../../operations/delivery/sink.ts";
import type { Connection, Reach, Rotator } from "../../../operations/rotation/rotator.ts";
import type { Subject } from "../../../operations/rotation/run.ts";

/** Makes a call to the outside, which has a name; whoever counts may end the process before or after it. */
export type Count = <T>(name: string, call: () => Promise<T>) => Promise<T>;

/** One call of a run, and the state that the journal was in. */
export interface Call {
  name: string;
  state: string;
}

/** Where a run ends, or is held up: `stop` is SIGSTOP just before a call, as of a machine that sleeps. */
export interface CrashPoint {
  index: number;
  when: "before" | "after" | "stop";
}

/** A run's calls to the outside, in order. `at` kills the process, as `kill -9` does, just before or after one. */
export class Calls {
  readonly all: Call[] = [];
  #state = "none";
  readonly #at: CrashPoint | undefined;

  constructor(at?: CrashPoint) {
    this.#at = at;
  }

  readonly count: Count = async (name, call) => {
    const index = this.all.push({ name, state: this.#state }) - 1;
    const when = this.#at?.index === index ? this.#at.when : undefined;
    if (when === "before") await die();
    if (when === "stop") process.kill(process.pid, "SIGSTOP");
    try {
      return await call();
    } finally {
      if (when === "after") await die();
    }
  };

  /** The same subject, every way out of it counted: Vault, the target, databases, sinks, probes and rates. */
  wrap(subject: Subject): Subject {
    const { count } = this;
    const { watch } = subject;
    return {
      ...subject,
      vault: this.vault(subject.vault, subject.secret),
      rotator: rotator(subject.rotator, count),
      reach: countedReach(subject.reach, count),
      sinks: (consumer) => subject.sinks(consumer).map((one) => sink(one, count)),
      probes: (consumer) =>
        subject.probes(consumer).map((one) => ({
          name: one.name,
          check: (signal) => count(`probe ${one.name}`, () => one.check(signal)),
        })),
      ...(watch !== undefined && {
        watch: {
          baseline: (...asked) => count("watch baseline", () => watch.baseline(...asked)),
          unanswered: (baseline) => watch.unanswered(baseline),
          judge: (...judged) => count("watch judge", () => watch.judge(...judged)),
        },
      }),
    };
  }

  /** The same client, every request counted; what is written to the journal says which state it is in. */
  vault(inner: Vault, { journal }: { journal: string }): Vault {
    const vault = inner.with(inner.token);
    vault.request = <T>(method: string, path: string, options?: RequestOptions): Promise<VaultResponse<T>> =>
      this.count(`vault ${method} ${path}`, async () => {
        const answer = await inner.request<T>(method, path, options);
        if (method === "POST" && path.endsWith(`data/${journal}`)) this.#note(options?.body);
        return answer;
      });
    return vault;
  }

  #note(body: unknown): void {
    const { data } = body as { data: { state: string } };
    this.#state = data.state;
  }
}

async function die(): Promise<never> {
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}

/** The functions themselves count as well: not every target is reached by what is counted. */
function rotator(inner: Rotator, count: Count): Rotator {
  const { accepts, migrate, discard, replaces, revokeLeft, heals } = inner;
  return {
    create: (...given) => count("create", () => inner.create(...given)),
    stage: (...given) => count("stage", () => inner.stage(...given)),
    probe: (...given) => count("probe", () => inner.probe(...given)),
    idle: (...given) => count("idle", () => inner.idle(...given)),
    revoke: (...given) => count("revoke", () => inner.revoke(...given)),
    verify: (...given) => count("verify", () => inner.verify(...given)),
    ...(accepts !== undefined && {
      accepts: (...given) => count("accepts", () => accepts.apply(inner, given)),
    }),
    ...(revokeLeft !== undefined && {
      revokeLeft: (...given) => count("revoke left", () => revokeLeft.apply(inner, given)),
    }),
    ...(heals !== undefined && { heals: (...given) => heals.apply(inner, given) }),
    ...(replaces !== undefined && { replaces: (...given) => replaces.apply(inner, given) }),
    ...(migrate !== undefined && {
      migrate: (...given) => count("migrate", () => migrate.apply(inner, given)),
    }),
    ...(discard !== undefined && {
      discard: (...given) => count("discard", () => discard.apply(inner, given)),
    }),
  };
}

/** The ways to a target, and every statement over them. */
export function countedReach(inner: Reach, count: Count): Reach {
  return {
    manage: async (database) => connection(await count("connect", () => inner.manage(database)), count),
    login: async (database, as) => connection(await count("log in", () => inner.login(database, as)), count),
    fetch: (input, init) => count("fetch", () => inner.fetch(input, init)),
  };
}

/** Statements are named by their first words, which hold no value. */
function connection(inner: Connection, count: Count): Connection {
  return {
    query: (text, values) =>
      count(`query ${text.trim().split(/\s+/).slice(0, 2).join(" ")}`, () => inner.query(text, values)),
    end: () => count("disconnect", () => inner.end()),
  };
}

function sink(inner: Sink, count: Count): Sink {
  return {
    name: inner.name,
    write: (bundle) => count(`write ${inner.name}`, () => inner.write(bundle)),
    reload: () => count(`reload ${inner.name}`, () => inner.reload()),
    running: (...asked) => count(`look at ${inner.name}`, () => inner.running(...asked)),
  };
}
