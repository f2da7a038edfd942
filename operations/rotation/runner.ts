import type { Vault } from "../../clients/vault.ts";
import { keptId } from "../../model/kept-names.ts";
import type { Consumer, RotationModel, Secret } from "../../model/model.ts";
import { endOf, type LogMark } from "../delivery/log-mark.ts";
import { jobSinksOf, logMarkOf, type SinkOptions, sinksOf } from "../delivery/sinks.ts";
import type { Report } from "../progress.ts";
import { type Clock, vaultClock } from "./clock.ts";
import { databaseReach } from "./connect.ts";
import { errorSourcesOf } from "./error-sources.ts";
import { logOf, probesOf, unprobed as unprobedOf } from "./probes.ts";
import type { Reach } from "./rotator.ts";
import { rotatorOf } from "./rotators/index.ts";
import type { Subject } from "./run.ts";
import { ErrorWatch, windowOf } from "./watch.ts";

/** What every rotation of a run shares. */
export interface Runner {
  /** Logged in as the rotation role. */
  vault: Vault;
  model: RotationModel;
  /** The role or person, for the record. */
  by: string;
  report: Report;
  signal: AbortSignal;
  /** Git commit of the catalogue; evidence is bound to it. */
  commit?: string;
  /** With a compromise or a leaver: old encryption keys are not kept for their retention (R22). */
  destroysOld?: boolean;
  /** Whoever asked was told what the rotations do to people, before they said yes. */
  impactsTold?: boolean;
  /** The hosts of services, as far as this machine is one. */
  host: SinkOptions;
  /** PEM of the CA of databases; the system's roots when absent. */
  ca?: string;
  /** The Vault of the environment before this one, where there is one; asked for each time evidence is. */
  previous?: () => Promise<Vault>;
  /** In place of the real ways out, for tests. */
  reach?: Reach;
  /** In place of Vault's, for tests. */
  clock?: Clock;
}

/** What time it is, for a whole run. @throws TargetUnavailableError while Vault is sealed; VaultUnreachableError */
export async function clockOf({ vault, clock }: Pick<Runner, "vault" | "clock">): Promise<Clock> {
  return clock ?? vaultClock(vault);
}

export function mannerOf({ by, report, signal, commit, destroysOld, clock }: Runner) {
  return {
    ...{ by, report, signal },
    ...(commit !== undefined && { commit }),
    ...(destroysOld === true && { destroysOld }),
    ...(clock !== undefined && { clock }),
  };
}

/** What the engine works with for one secret. */
export async function subjectOf(runner: Runner, secret: Secret): Promise<Subject> {
  const { vault, model, host } = runner;
  const reach = runner.reach ?? reachOf(runner);
  const services = new Map(model.services.map((service) => [service.id, service]));
  const jobs = new Map(model.ciJobs.map((job) => [job.id, job]));
  const sinks = ({ id, kind }: Consumer) => {
    if (kind === "ci") return jobSinksOf(jobs.get(id) ?? { deliver: [] });
    const service = services.get(id);
    return service === undefined ? [] : sinksOf(model, service, host);
  };
  const options = { fetch: reach.fetch, ...host };
  const probes = (consumer: Consumer, noted?: LogMark) => {
    const service = services.get(consumer.id);
    if (service === undefined) return [];
    const logMark = async () => (await logMarkOf(service, sinks(consumer), keptId(secret), host)) ?? noted;
    return probesOf(secret, service, { ...options, logMark });
  };
  const logEnd = (consumer: Consumer) => {
    const service = services.get(consumer.id);
    if (service === undefined || sinks(consumer).length > 0) return undefined;
    const path = logOf(secret, service, options);
    return path === undefined ? undefined : endOf(path);
  };
  const unprobed = (consumer: Consumer) => {
    const service = services.get(consumer.id);
    return service && unprobedOf(secret, service, options);
  };
  const watch = watchOf(model, secret, options);
  const rotator = await rotatorOf(secret);
  const own = { vault, model, secret, rotator, reach };
  return { ...own, sinks, probes, logEnd, unprobed, ...(watch !== undefined && { watch }) };
}

/** Counters of errors of a secret's consumers, where the catalogue names any (R48). */
function watchOf(
  model: RotationModel,
  { consumers }: Secret,
  options: { fetch: typeof fetch; root?: string; project?: string },
): ErrorWatch | undefined {
  const ids = new Set(consumers.map(({ id }) => id));
  const services = model.services.filter(({ id }) => ids.has(id));
  const file = model.vault.audit.find(({ type }) => type === "file")?.options.file_path;
  const sources = errorSourcesOf(model, services, { ...options, ...(file !== undefined && { audit: file }) });
  return sources.length === 0 ? undefined : new ErrorWatch(sources, { window: windowOf(model.rotation) });
}

/** The real ways out to targets. */
export function reachOf({ vault, model, ca }: Runner): Reach {
  return { ...databaseReach({ vault, model, ...(ca !== undefined && { ca }) }), fetch };
}
