import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Vault } from "../clients/vault.ts";
import { type Catalogue, loadCatalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import type { Model } from "../model/model.ts";
import { dropOrphans } from "../operations/database/orphans.ts";
import { type Gate, joined, lineOf, outcomeOf, stopped } from "../operations/gates/gate.ts";
import { databaseReach } from "../operations/rotation/connect.ts";
import { makeFirstUsers } from "../operations/rotation/first-users.ts";
import { ensureFirstValues } from "../operations/values/first.ts";
import {
  apply,
  type Changes,
  changed,
  Engine,
  type OpenedStack,
  preview,
  type Ran,
  refresh,
} from "./engine.ts";
import { attachPack, judgeStates, probeLocal } from "./gates.ts";
import { loginAs, loginForUpdate } from "./identity.ts";
import type { LocalKubernetes } from "./kubernetes/index.ts";
import { freshBundles } from "./lambdas.ts";
import { eachPart } from "./parts.ts";
import type { Report } from "./progress.ts";
import { startAwsProvider, startVaultProvider } from "./providers/index.ts";
import { isBuilt, markBuilt } from "./services/emulator/built.ts";
import { holdStack } from "./services/home.ts";
import {
  environmentOf,
  type LocalServices,
  orEndedService,
  prepareDatabases,
  startServices,
} from "./services/index.ts";
import { connectAsSuperuser } from "./services/postgres-server.ts";
import { findEmulator } from "./toolchain/emulator.ts";
import { ensureTools } from "./toolchain/index.ts";

export interface UpOptions {
  /** The local state folder. */
  home: string;
  catalogue: string;
  dryRun: boolean;
  /** `official`: the plugins that the Pulumi CLI has or downloads, instead of ours in process. */
  providers: "local" | "official";
  /** Whose service accounts log in, where there is one. */
  kubernetes?: LocalKubernetes;
  /** Looks first at what is there, and puts right what somebody changed by hand. */
  refresh?: boolean;
  report: Report;
  /** Stops it between two steps, the engine after the resources that are under way; its sessions are ended. */
  signal?: AbortSignal;
}

export interface UpResult {
  model: Model;
  services: LocalServices;
  /** Resource counts by operation, over all parts. */
  changes: Changes;
  /** How many resources are not as they were. */
  changed: number;
  /** Each of them, as `operation type name`: what was done, or what a dry run would do. */
  touched: string[];
  /** Ids of secrets whose first value is made by hand and not there yet. */
  unset: string[];
  /** What the policies said: before anything was made, of the state, of the live system. */
  gates: Gate[];
}

/**
 * Brings the local stack up: services, then the same program that staging and production run, then first values. The
 * policies judge it at three gates, and what one does not let pass stops it.
 * Nothing is started before the catalogue has been read and accepted.
 * @throws CatalogueError, ToolchainError, HeldError, ServiceError, UpdateError, GateError, each saying what to do; the
 *   signal's reason, where it is aborted.
 */
export async function up(options: UpOptions): Promise<UpResult> {
  const { home, catalogue: folder, report, signal } = options;
  const catalogue = await loadCatalogue(folder);
  try {
    // Whoever waits for a tool's first build, a quarter of an hour, does so at that tool's own lock.
    const { pulumi, vault } = await orAborted(ensureTools(["pulumi", "vault"], report), signal);
    await orAborted(findEmulator(report), signal);
    await mkdir(home, { recursive: true, mode: 0o700 });
    using _held = await holdStack(home, { report, ...(signal && { signal }) });
    const services = await startServices(home, { report, vault });
    try {
      return await build({ ...options, services, declared: catalogue, pulumi });
    } catch (error) {
      throw signal?.aborted ? error : await orEndedService(home, error);
    }
  } catch (error) {
    // What an interruption cuts off fails in ways of its own.
    signal?.throwIfAborted();
    throw error;
  }
}

/** The signal's reason as soon as it is aborted: what is not waited for any more ends with the process. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((settle, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(settle, reject);
  });
}

async function build({
  home,
  catalogue: folder,
  declared,
  pulumi,
  services,
  dryRun,
  providers,
  kubernetes,
  refresh: asked = false,
  report,
  signal,
}: UpOptions & { services: LocalServices; declared: Catalogue; pulumi: string }): Promise<UpResult> {
  const environment = environmentOf(services);
  if (kubernetes !== undefined) {
    const { host, ca: certificate } = kubernetes;
    environment.vault = { ...environment.vault, kubernetes: { host, certificate } };
  }
  const model = derive(declared, "local", environment);
  await using ends = new AsyncDisposableStack();
  const vault = new Vault({ address: services.vault.address, ca: services.vault.ca });
  ends.defer(() => vault.close());
  const deployer = await loginForUpdate(services, model, vault, { dryRun, report });
  // Vault may be what failed: the first error matters, and the token ends by itself.
  ends.defer(() => deployer.end().catch(() => {}));
  signal?.throwIfAborted();
  const administered = vault.with(deployer.token);
  const connected = async (connection: string) =>
    (await administered.read(`${model.vault.mounts.database}/config/${connection}`)) !== undefined;
  // A dry run makes nothing: the engine only plans with what stands for the passwords.
  const bootstrapPasswords = dryRun
    ? Object.fromEntries(await planned(model, connected))
    : await prepareDatabases(services, model.databases, { exists: connected });
  using policies = await attachPack(home, resolve(folder));
  const lambdaCode = await freshBundles(join(home, "lambdas", "local"), model);
  const served =
    providers === "local"
      ? await Promise.all([
          startVaultProvider({
            address: services.vault.address,
            ca: services.vault.ca,
            token: () => deployer.token,
          }),
          startAwsProvider(services.aws),
        ])
      : undefined;
  for (const provider of served ?? []) ends.defer(() => provider.close());
  const engine = await Engine.open({
    home,
    pulumi,
    policies: { pack: policies.file, catalogue: resolve(folder) },
    signal,
    environment:
      served === undefined
        ? {
            ...emulated(services),
            VAULT_ADDR: model.vault.address,
            VAULT_CACERT: services.vault.caFile,
            VAULT_TOKEN: deployer.token,
            // A child token would need a right that nobody else needs; this one ends with the update.
            TERRAFORM_VAULT_SKIP_CHILD_TOKEN: "true",
          }
        : { PULUMI_DEBUG_PROVIDERS: `vault:${served[0].port},aws:${served[1].port}` },
  });
  // Every stack's preview first: what one of them is refused for is refused before any is touched.
  const opened: OpenedStack[] = [];
  const gates: Gate[] = [];
  const plans = new Map<string, Ran>();
  // An emulator that was started anew is empty, which only looking tells.
  const forgotten = !(await isBuilt(services.home));
  const program = { bootstrapPasswords, lambdaCode };
  const plan = await eachPart(engine, model, program, async (each, part) => {
    const { stack } = part;
    const anew = forgotten && holdsAccount(part);
    const looks = (asked || anew) && !each.fresh;
    if (looks) {
      const text = `looking at what is there${anew ? ": the AWS emulator is a new one" : ""}`;
      report({ subject: stack, state: "started", text });
      if (!dryRun) await refresh(each, report);
    }
    report({ subject: stack, state: "started", text: "previewing" });
    // A dry run changes nothing, not the state either: it looks and plans in one.
    const ran = await preview(each, report, { looks: looks && dryRun });
    const { changes, gate } = ran;
    if (gate !== undefined) gates.push(gate);
    opened.push(each);
    plans.set(stack, ran);
    if (dryRun || changed(changes) === 0) report(settled(stack, changes, dryRun));
    return changes;
  });
  const before = joined("preview", gates);
  report({ subject: "policies", state: "progress", text: lineOf(before) });
  if (dryRun) {
    const would = [...plans.values()].flatMap(({ made }) => made).sort();
    return {
      model,
      services,
      changes: plan,
      changed: changed(plan),
      touched: would,
      unset: [],
      gates: [before],
    };
  }
  const made = new Map<string, string[]>();
  const changes = await eachPart(engine, model, program, async (each, { stack }) => {
    const same = plans.get(stack)?.changes ?? {};
    if (changed(same) === 0) return same;
    report({ subject: stack, state: "started", text: "updating" });
    const done = await apply(each, report);
    made.set(stack, done.made);
    report(settled(stack, done.changes, false));
    return done.changes;
  });
  await markBuilt(services.home);
  if (kubernetes !== undefined) await renewReviewer(kubernetes, administered, model);
  signal?.throwIfAborted();
  await deployer.retireRoot();
  // The state is judged while values are made: neither touches what the other looks at.
  const [states, unset] = await bothOrFirst(
    judgeStates(engine, opened, made),
    fill(services, model, vault, report),
  );
  const state = joined("state", states);
  report({ subject: "policies", state: "progress", text: lineOf(state) });
  signal?.throwIfAborted();
  const { gate: live } = await probeLocal(services, model, vault, { thorough: changed(changes) > 0 });
  const touched = [...made.values()].flat().sort();
  if (outcomeOf(live) === "failed") throw stopped("the live system", live, touched);
  report({ subject: "policies", state: "done", text: lineOf(live) });
  const settledAs = { changes, changed: changed(changes), touched };
  return { model, services, ...settledAs, unset, gates: [before, state, live] };
}

/** Whether a part is the one that builds the AWS account. */
function holdsAccount({ part }: { part: string }): boolean {
  return part === "all" || part === "platform";
}

/** Where AWS' official provider finds the emulator. */
function emulated({ aws: { endpoint, account, region } }: LocalServices): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: account,
    AWS_SECRET_ACCESS_KEY: account,
    AWS_REGION: region,
  };
}

/** Vault's own token for Kubernetes lasts a day and is dropped by a change of its neighbours: each start gives a new one. */
async function renewReviewer(kubernetes: LocalKubernetes, vault: Vault, { vault: { auth } }: Model) {
  const { administrator, reviewLogins } = await import("./kubernetes/index.ts");
  const api = await administrator(kubernetes);
  try {
    await reviewLogins(api, vault, { mount: auth.kubernetes });
  } finally {
    await api.close();
  }
}

/**
 * First values of what has none, static database users among them, and no dynamic one without a lease. Returns the ids
 * of what stays unset.
 */
async function fill(services: LocalServices, model: Model, vault: Vault, report: Report): Promise<string[]> {
  const rotator = await loginAs(services, model, vault, "rotate");
  try {
    const { unset, withUser } = await ensureFirstValues(rotator.vault, model, report);
    const { home, postgres, issuer } = services;
    const reach = { ...databaseReach({ vault: rotator.vault, model, ca: issuer.ca }), fetch };
    const who = { by: rotator.who, owner: `keyplane up in ${home}` };
    // Postgres is here: one that does not answer within two seconds has ended, and is named.
    const backoff = { first: 250, longest: 1000, tries: 4 };
    await makeFirstUsers({ vault: rotator.vault, model, reach, report, backoff, ...who }, withUser);
    await dropOrphans({
      vault: rotator.vault,
      model,
      connect: ({ database }) => connectAsSuperuser({ home, port: postgres.port, ca: issuer.ca, database }),
      report,
    });
    return unset;
  } finally {
    await rotator.end();
  }
}

/** Both, or what the first of them failed with; neither is left running. */
async function bothOrFirst<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  const [first, second] = await Promise.allSettled([a, b]);
  if (first.status === "rejected") throw first.reason;
  if (second.status === "rejected") throw second.reason;
  return [first.value, second.value];
}

/** Connections that an update would make, with a stand-in for the password that it would be made with. */
async function planned(
  { databases }: Model,
  connected: (connection: string) => Promise<boolean>,
): Promise<[connection: string, password: string][]> {
  const entries: [string, string][] = [];
  for (const { connection } of databases) {
    if (!(await connected(connection))) entries.push([connection, "dry run"]);
  }
  return entries;
}

function settled(subject: string, changes: Changes, dryRun: boolean) {
  const count = changed(changes);
  if (count === 0)
    return {
      subject,
      state: "unchanged" as const,
      text: `nothing to change (${changes.same ?? 0} resources)`,
    };
  const by = Object.entries(changes).map(([op, n]) => `${n} ${op}`);
  return {
    subject,
    state: "done" as const,
    text: `${dryRun ? "would change" : "changed"}: ${by.join(", ")}`,
  };
}
