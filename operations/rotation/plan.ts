import type { Seconds } from "../../model/duration.ts";
import { keptId } from "../../model/kept-names.ts";
import type { Consumer, Model, Secret, Service } from "../../model/model.ts";
import type { Sink } from "../delivery/sink.ts";
import { type Moment, orderAt, phaseAt } from "../values/phases.ts";
import { pairNames } from "../values/shape.ts";
import { byPerson } from "./by-person.ts";
import type { ConsumerProbe, Unprobed } from "./observer.ts";
import { acceptsBoth, drainOf, holdsOneBefore, isServers, jobsOf } from "./overlap.ts";
import type { Reason } from "./rotator.ts";
import { isShort } from "./run.ts";
import { settlesOf } from "./settles.ts";
import { takeover } from "./takeover.ts";

/** What one consumer gets at one moment. */
export interface PlannedDelivery {
  consumer: string;
  role: Consumer["role"];
  moment: "listeners" | "signers" | "revocation";
  /** In words: what it signs with and accepts afterwards. */
  gets: string;
  /** Names of the places where it reads its values. */
  sinks: string[];
  /** How it takes them up; undefined where it is no service of ours. */
  reload: Service["reload"] | undefined;
  /** Asked before the next moment. */
  probes: string[];
}

/** A rotation as it would be, and nothing of it done. */
export interface RotationPlan {
  secret: string;
  kind: Secret["kind"];
  reason: Reason;
  /** What it does to people (R49). */
  impact?: string;
  /** What its target accepts meanwhile, where that is more than "both values". */
  meanwhile?: string;
  /**
   * Where the target accepts one value at a time: from its change until a consumer has restarted with what it is brought, it is
   * refused; where the runner dies in between, until another one goes on.
   */
  window?: { refused: string[]; takeover: typeof takeover };
  /** CI jobs that read it: one that began before the switch has the old value, which drains so long; 0: it is refused. */
  jobs?: { ids: string[]; waits: Seconds };
  /** In their order. */
  deliveries: PlannedDelivery[];
  /** Ids of the services that restart, each as often as it does, in order: exactly the dependent ones (R34). */
  restarts: string[];
  times: {
    /** Both values are accepted so long. */
    overlap: Seconds;
    /** Error rates are watched so long. */
    watch: Seconds;
    /** Whoever cannot be seen is given so long in all to run what it is brought. */
    settles: Seconds;
    earliestEnd: Date;
  };
  /** How the old value is seen to be unused; undefined where the catalogue names nothing, which stops before revoking. */
  idle: Secret["idle"] | { source: "census" };
  /** Consumer and place of which nobody can say what they run, why, and how long each is given to run something new. */
  unobservable: string[];
  /** Consumer and place where a person has to put the new value, since it does not wait for what writes there. */
  byHand: string[];
  /** Which declared probes would not be asked from here, and why (R46). */
  unprobed: string[];
  /** What the short path leaves out. */
  skipped: string[];
}

export interface PlanOptions {
  reason: Reason;
  /** Old encryption keys are destroyed at once. */
  destroysOld?: boolean;
  now: Date;
  /** Looked at, never written. */
  sinks?(consumer: Consumer): Sink[];
  probes?(consumer: Consumer): ConsumerProbe[];
  unprobed?(consumer: Consumer): Unprobed | undefined;
  /** Consumer and place for which it is refused here: whoever does it brings the value there, and may see it. */
  refusedFor?: ReadonlySet<string>;
}

/** The dry run of a rotation. Reads no value, and nothing of Vault; sinks are only asked whether they can be seen. */
export async function planRotation(
  model: Pick<Model, "services" | "rotation">,
  secret: Secret,
  {
    reason,
    destroysOld = false,
    now,
    sinks = () => [],
    probes = () => [],
    unprobed,
    refusedFor = new Set(),
  }: PlanOptions,
): Promise<RotationPlan> {
  const short = isShort(reason);
  const deliveries = (["listeners", "signers", "revocation"] as const).flatMap((moment) =>
    deliveriesAt(secret, moment, reason).map(({ consumer, gets }): PlannedDelivery => {
      const service = model.services.find(({ id }) => id === consumer.id);
      return {
        consumer: consumer.id,
        role: consumer.role,
        moment,
        gets,
        sinks: sinks(consumer).map(({ name }) => name),
        reload: service?.reload,
        probes: moment === "revocation" ? [] : probes(consumer).map(({ name }) => name),
      };
    }),
  );
  const overlap = short || reason === "first" ? 0 : secret.rotate.overlap;
  const drains = short || reason === "first" ? 0 : drainOf(secret);
  const watch = short || reason === "first" ? 0 : model.rotation.watch;
  const unseen = await unseenBy(model, secret, { sinks, refusedFor });
  const waits = reason === "scheduled";
  const settles = reason === "first" ? 0 : settlingOf(deliveries, unseen);
  return {
    secret: secret.id,
    kind: secret.kind,
    reason,
    ...(secret.impact !== undefined && { impact: secret.impact }),
    ...(reason !== "first" && meanwhile(secret, short)),
    ...(reason !== "first" && windowOf(secret)),
    ...(reason !== "first" && !short && jobsAt(secret)),
    deliveries,
    restarts: deliveries.flatMap(({ consumer, reload }) => (reload === "restart" ? [consumer] : [])),
    times: {
      ...{ overlap, watch, settles },
      earliestEnd: new Date(now.getTime() + (settles + Math.max(drains, watch)) * 1000),
    },
    idle: secret.idle ?? ownSource(secret),
    unobservable: unseen
      .filter(({ byHand }) => waits || !byHand)
      .map(({ place, why, settles }) => `${place}: ${why}; it has ${settles} s to take up a new one`),
    byHand: waits
      ? []
      : unseen.filter(({ byHand }) => byHand).map(({ place }) => byPerson(place, "the new value")),
    unprobed: secret.consumers.flatMap((consumer) => unprobed?.(consumer)?.why ?? []),
    skipped: short ? skipped(secret, model.rotation.watch, destroysOld) : [],
  };
}

/** Whoever uses a database user has sessions, and stored ciphertext is counted, whatever the catalogue says. */
function ownSource({ databaseUser, stored }: Secret): RotationPlan["idle"] {
  if (databaseUser !== undefined) return { source: "sessions" };
  return stored.length > 0 ? { source: "census" } : undefined;
}

function meanwhile(secret: Secret, short: boolean): Pick<RotationPlan, "meanwhile"> {
  if (secret.databaseUser !== undefined) return { meanwhile: atDatabase(secret.databaseUser, short) };
  const refuses = atServer(secret);
  return refuses === undefined ? {} : { meanwhile: refuses };
}

/** Consumers that one value at a time shuts out until they have the new one (R32). */
function windowOf(secret: Secret): Pick<RotationPlan, "window"> {
  const { databaseUser, consumers } = secret;
  const isSingle = databaseUser !== undefined && databaseUser.logins.length === 1;
  if (!isSingle && atServer(secret) === undefined) return {};
  const refused = consumers.filter(({ role }) => isSingle || role !== "listener").map(({ id }) => id);
  return refused.length === 0 ? {} : { window: { refused, takeover } };
}

function jobsAt(secret: Secret): Pick<RotationPlan, "jobs"> {
  const ids = jobsOf(secret);
  return ids.length === 0 ? {} : { jobs: { ids, waits: acceptsBoth(secret) ? drainOf(secret) : 0 } };
}

/** A password that a server reads at its start has one value: between its restart and theirs its clients are refused. */
function atServer(secret: Secret): string | undefined {
  const { rotate, consumers } = secret;
  const of = (isServer: boolean) =>
    consumers.filter(({ role }) => (role === "listener") === isServer).map(({ id }) => id);
  const [servers, clients] = [of(true).join(", "), of(false).join(", ")];
  if (!isServers(secret) || rotate.by === "hand" || servers === "" || clients === "") return undefined;
  return `once it has restarted with the new value, ${servers} refuses the old one: ${clients} is refused until it has restarted too; all of them follow at once`;
}

/** Two logins overlap; one has a single password (R31, R32). */
function atDatabase({ database, logins, user }: NonNullable<Secret["databaseUser"]>, short: boolean): string {
  const [a, b] = logins;
  if (a !== undefined && b !== undefined) {
    return `${database} accepts both ${a} and ${b}, until the old one is shut and its sessions are ended`;
  }
  const open = short
    ? "open ones are ended once everybody has the new one"
    : "open ones go on with the old one";
  return `from its staging on ${database} refuses new connections of ${user} with the old password (SQLSTATE 28P01), ${open}; all consumers get the new one at once`;
}

function deliveriesAt(
  secret: Secret,
  moment: PlannedDelivery["moment"],
  reason: Reason,
): { consumer: Consumer; gets: string }[] {
  const isFirst = reason === "first";
  if (moment === "revocation") {
    if (isFirst || pairNames(secret) === undefined) return [];
    return orderAt(secret.consumers, "signers")
      .filter((consumer) => holdsOneBefore(secret, consumer))
      .map((consumer) => ({ consumer, gets: "the new value without the old one" }));
  }
  return orderAt(secret.consumers, moment).flatMap((consumer) => {
    const phase = phaseAt(secret, consumer, moment, isFirst);
    const before: Moment | undefined = moment === "signers" ? "listeners" : undefined;
    const has = before && phaseAt(secret, consumer, before, isFirst);
    if (phase === undefined || phase === has) return [];
    return [{ consumer, gets: words(secret, consumer, phase) }];
  });
}

function words(secret: Secret, { role }: Consumer, phase: string): string {
  if (phase === "both") return "the new value to accept, beside the one it signs with";
  const accepts = pairNames(secret) !== undefined && role !== "signer";
  return accepts ? "the new value, beside the old one" : "the new value";
}

interface Unseen {
  consumer: string;
  place: string;
  why: string;
  settles: Seconds;
  byHand: boolean;
}

async function unseenBy(
  model: Pick<Model, "services">,
  secret: Secret,
  { sinks, refusedFor }: Required<Pick<PlanOptions, "sinks" | "refusedFor">>,
): Promise<Unseen[]> {
  const found: Unseen[] = [];
  for (const consumer of secret.consumers) {
    const settles = settlesOf(model, consumer);
    const places = sinks(consumer);
    const own = { consumer: consumer.id, settles, byHand: false };
    if (places.length === 0) found.push({ ...own, place: consumer.id, why: "reads Vault itself" });
    for (const sink of places) {
      const place = `${consumer.id}, ${sink.name}`;
      const seen = refusedFor.has(place) ? undefined : await sink.running(keptId(secret), 0);
      if (seen?.state !== "unobservable") continue;
      found.push({ ...own, place, why: seen.why, byHand: sink.byHand !== undefined });
    }
  }
  return found;
}

/** All that a moment reaches settle at once, the moments one after the other. */
function settlingOf(deliveries: PlannedDelivery[], unseen: Unseen[]): Seconds {
  const at = (moment: Moment) => {
    const reached = deliveries.filter((delivery) => delivery.moment === moment);
    const slow = unseen.filter(({ consumer }) => reached.some((delivery) => delivery.consumer === consumer));
    return Math.max(0, ...slow.map(({ settles }) => settles));
  };
  return at("listeners") + at("signers");
}

function skipped(secret: Secret, watch: Seconds, destroysOld: boolean): string[] {
  return [
    `error rates are not watched (${watch} s)`,
    `the overlap of ${secret.rotate.overlap} s is cut short`,
    "the old value is not waited for to be unused",
    ...jobsOf(secret).map((id) => `${id} is not waited for: a job that began before the switch is refused`),
    ...(secret.kind === "fernet"
      ? [
          destroysOld
            ? "old keys are destroyed at once: what backups hold under them is lost"
            : "the old key is taken from everybody, and stays in the source until its retention ends (--destroy-old-keys: not)",
        ]
      : []),
  ];
}
