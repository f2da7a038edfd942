import { isAbsolute, join, resolve } from "node:path";
import type { Model, Service } from "../../model/model.ts";
import { AuditFile } from "../audit/reader.ts";
import { endOf } from "../delivery/log-mark.ts";
import { linesSince } from "./log-lines.ts";
import { type Sample, samplesIn } from "./prometheus.ts";
import { TargetUnavailableError } from "./rotator.ts";
import type { ErrorSource } from "./watch.ts";

export interface SourceOptions {
  fetch: typeof fetch;
  /** What stands for the root of the services' host; without it their logs are not read here. */
  root?: string;
  /** Folder of the Compose project, in which relative paths lie; the root where absent. */
  project?: string;
  /** Vault's audit file, where this machine can read it. */
  audit?: string;
}

/** Every counter of errors that the catalogue names for some services (R48); empty where there is none. */
export function errorSourcesOf(
  { appRoles, kubernetesRoles }: Pick<Model, "appRoles" | "kubernetesRoles">,
  services: Service[],
  options: SourceOptions,
): ErrorSource[] {
  return services.flatMap((service): ErrorSource[] => {
    const { id, observe } = service;
    const roles = [...appRoles, ...kubernetesRoles]
      .filter((role) => role.service === id)
      .map(({ name }) => name);
    return [
      ...metricsOf(service).flatMap((url) =>
        counters.map(
          (counter) => new MetricSource(`${counter.name} of ${id} at ${url}`, url, counter, options.fetch),
        ),
      ),
      ...(observe?.log !== undefined && options.root !== undefined
        ? [new LogSource(`errors in the log of ${id}`, onHost(observe.log, options))]
        : []),
      ...(options.audit !== undefined && roles.length > 0
        ? [new AuditSource(`requests of ${id} that Vault refused`, options.audit, roles)]
        : []),
    ];
  });
}

function metricsOf({ observe }: Service): string[] {
  const { metrics, instances = [] } = observe ?? {};
  if (metrics === undefined) return [];
  return instances.map((base) => `${base.replace(/\/+$/, "")}/${metrics.replace(/^\/+/, "")}`);
}

function onHost(path: string, { root = "/", project }: SourceOptions): string {
  if (isAbsolute(path)) return join(root, path);
  return project === undefined ? join(root, path) : resolve(project, path);
}

interface Counter {
  name: string;
  counts(sample: Sample): boolean;
}

/** `auth_failures` and its like are one counter (R48), other errors and answers of 5xx another. */
const authFailure =
  /(^|_)auth[a-z]*_(\w+_)?(fail|error|reject|denied|refus)\w*$|(^|_)(unauthorized|login_fail)\w*$/;
const failure = /(^|_)(errors?|failures?|exceptions?)(_total)?$/;
const requests = /(^|_)requests?(_total|_count)?$/;

const counters: Counter[] = [
  {
    name: "authentication failures",
    counts: ({ name, labels }) =>
      authFailure.test(name) || (requests.test(name) && /^40[13]$/.test(statusOf(labels))),
  },
  {
    name: "errors",
    counts: ({ name, labels }) =>
      (failure.test(name) && !authFailure.test(name)) || (requests.test(name) && /^5/.test(statusOf(labels))),
  },
];

function statusOf({ status, code, status_code }: Record<string, string>): string {
  return status ?? code ?? status_code ?? "";
}

/** Counters of one instance. A process that was started again counts from zero. */
class MetricSource implements ErrorSource {
  readonly name: string;
  readonly #url: string;
  readonly #counter: Counter;
  readonly #fetch: typeof fetch;

  constructor(name: string, url: string, counter: Counter, fetcher: typeof fetch) {
    this.name = name;
    this.#url = url;
    this.#counter = counter;
    this.#fetch = fetcher;
  }

  async mark(signal: AbortSignal): Promise<Record<string, number>> {
    const samples = await this.#samples(signal);
    const mine = samples.filter((sample) => this.#counter.counts(sample));
    // A counter with labels is not there before its first event.
    const asked = samples.filter(({ name }) => requests.test(name));
    const started = samples.find(({ name }) => name === "process_start_time_seconds")?.value;
    return {
      total: sum(mine),
      ...(asked.length > 0 && { requests: sum(asked) }),
      ...(started !== undefined && { started }),
    };
  }

  async since(before: Record<string, number>, signal: AbortSignal) {
    const now = await this.mark(signal);
    const isRestarted =
      now.started !== before.started ||
      (now.total ?? 0) < (before.total ?? 0) ||
      (now.requests ?? 0) < (before.requests ?? 0);
    const from = (key: "total" | "requests") => (now[key] ?? 0) - (isRestarted ? 0 : (before[key] ?? 0));
    return { events: from("total"), ...(now.requests !== undefined && { requests: from("requests") }) };
  }

  async #samples(signal: AbortSignal): Promise<Sample[]> {
    const response = await this.#fetch(this.#url, {
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(5000)]),
    });
    if (!response.ok) throw new TargetUnavailableError(`${this.#url} answers ${response.status}`);
    return samplesIn(await response.text());
  }
}

/** Lines of a log that speak of a failed authentication or an error. */
class LogSource implements ErrorSource {
  readonly name: string;
  readonly #path: string;

  constructor(name: string, path: string) {
    this.name = name;
    this.#path = path;
  }

  async mark(): Promise<Record<string, number>> {
    return { ...(await endOf(this.#path)) };
  }

  async since(before: Record<string, number>) {
    let events = 0;
    for await (const line of linesSince(this.#path, {
      inode: before.inode ?? 0,
      position: before.position ?? 0,
    })) {
      if (
        /\b(error|fatal|critical|unauthori[sz]ed|forbidden|authentication failed|invalid signature)\b/i.test(
          line,
        )
      )
        events++;
    }
    return { events };
  }
}

/** What Vault refused a service, by the roles that it logs in with. */
class AuditSource implements ErrorSource {
  readonly name: string;
  readonly #path: string;
  readonly #roles: string[];

  constructor(name: string, path: string, roles: string[]) {
    this.name = name;
    this.#path = path;
    this.#roles = roles;
  }

  async mark(): Promise<Record<string, number>> {
    return { ...(await endOf(this.#path)) };
  }

  async since(before: Record<string, number>) {
    const now = await endOf(this.#path);
    const file = new AuditFile(this.#path, now.inode === before.inode ? (before.position ?? 0) : 0);
    const entries = await file.read();
    const events = entries.filter(
      ({ who, outcome }) => this.#roles.includes(who) && outcome !== "allowed" && outcome !== "pending",
    );
    return { events: events.length };
  }
}

function sum(samples: Sample[]): number {
  return samples.reduce((total, { value }) => total + value, 0);
}
