import { access, constants, stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { keptServiceId } from "../../model/kept-names.ts";
import type { Model, Service } from "../../model/model.ts";
import { normalise } from "../audit/normalise.ts";
import { endOf, type LogMark } from "../delivery/log-mark.ts";
import { linesSince } from "./log-lines.ts";
import { type Sample, samplesIn } from "./prometheus.ts";
import { TargetUnavailableError } from "./rotator.ts";
import type { ErrorSource } from "./watch.ts";

export interface SourceOptions {
  fetch: typeof fetch;
  /** What stands for the root of the services' host; without it their logs do not answer here. */
  root?: string;
  /** Folder of the Compose project, in which relative paths lie; the root where absent. */
  project?: string;
  /** Vault's audit file: it answers where this machine can read it. */
  audit?: string;
}

/** Every counter of errors that the catalogue names for some services (R48); empty where there is none. */
export function errorSourcesOf(
  { appRoles, kubernetesRoles }: Pick<Model, "appRoles" | "kubernetesRoles">,
  services: Service[],
  options: SourceOptions,
): ErrorSource[] {
  return services.flatMap((service): ErrorSource[] => {
    // Rates of before are found again by these names: a rename does not end the watching.
    const id = keptServiceId(service);
    const named = (nameOf: (id: string) => string) => ({ name: nameOf(id), earlier: nameOf(service.id) });
    const roles = [...appRoles, ...kubernetesRoles]
      .filter((role) => role.service === service.id)
      .map(({ name }) => name);
    return [
      ...metricsOf(service).flatMap((url) =>
        counters.map(
          (counter) =>
            new MetricSource(
              named((of) => `${counter.name} of ${of} at ${url}`),
              url,
              counter,
              options.fetch,
            ),
        ),
      ),
      ...logOf(service, named, options),
      ...(options.audit !== undefined && roles.length > 0
        ? [
            new LinesSource(
              named((of) => `requests of ${of} that Vault refused`),
              options.audit,
              refusedTo(roles),
            ),
          ]
        : []),
    ];
  });
}

type Named = Required<Pick<ErrorSource, "name" | "earlier">>;

function metricsOf({ observe }: Service): string[] {
  const { metrics, instances = [] } = observe ?? {};
  if (metrics === undefined) return [];
  return instances.map((base) => `${base.replace(/\/+$/, "")}/${metrics.replace(/^\/+/, "")}`);
}

function logOf(
  service: Service,
  named: (nameOf: (id: string) => string) => Named,
  options: SourceOptions,
): ErrorSource[] {
  const { observe } = service;
  if (observe?.log === undefined) return [];
  const names = named((of) => `errors in the log of ${of}`);
  if (options.root === undefined) return [elsewhere(names)];
  const { log, pattern } = observe;
  const errors = pattern === undefined ? speaksOfErrors : new RegExp(pattern, "u");
  return [new LinesSource(names, onHost(log, options), (line) => errors.test(line.slice(0, looksAt)))];
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
  readonly earlier: string;
  readonly #url: string;
  readonly #counter: Counter;
  readonly #fetch: typeof fetch;

  constructor({ name, earlier }: Named, url: string, counter: Counter, fetcher: typeof fetch) {
    this.name = name;
    this.earlier = earlier;
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

  until({ total = 0, requests = 0 }: Record<string, number>) {
    return { events: total, requests };
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

/**
 * Lines of a file that speak of errors, of a log or of Vault's audit. A file that is not there or cannot be read here has not
 * answered; one that was rotated away and is not made anew yet answers by what it was.
 */
class LinesSource implements ErrorSource {
  readonly name: string;
  readonly earlier: string;
  readonly isLocal = true;
  readonly #path: string;
  readonly #counts: (line: string) => boolean;

  constructor({ name, earlier }: Named, path: string, counts: (line: string) => boolean) {
    this.name = name;
    this.earlier = earlier;
    this.#path = path;
    this.#counts = counts;
  }

  async mark(): Promise<Record<string, number>> {
    return { ...(await readableEnd(this.#path)) };
  }

  async since({ inode = 0, position = 0 }: Record<string, number>) {
    if ((await endOf(this.#path)).inode !== 0) await readableEnd(this.#path);
    else if ((await readableEnd(`${this.#path}.1`)).inode !== inode) throw unread(this.#path, "ENOENT");
    let events = 0;
    for await (const line of linesSince(this.#path, { inode, position })) if (this.#counts(line)) events++;
    return { events };
  }
}

/** Where a file ends that can be read here. @throws TargetUnavailableError */
async function readableEnd(path: string): Promise<LogMark> {
  try {
    const found = await stat(path);
    // What is no file may never answer.
    if (!found.isFile()) throw unread(path, "no file");
    await access(path, constants.R_OK);
    return { inode: found.ino, position: found.size };
  } catch (cause) {
    if (cause instanceof TargetUnavailableError) throw cause;
    throw unread(path, (cause as NodeJS.ErrnoException).code ?? "", { cause });
  }
}

function unread(path: string, why: string, options?: ErrorOptions): TargetUnavailableError {
  return new TargetUnavailableError(`${path} cannot be read here (${why})`, options);
}

/** A log that lies on its service's host, where this machine is none. */
function elsewhere(names: Named): ErrorSource {
  const { name } = names;
  const ask = () => Promise.reject(new TargetUnavailableError(`${name}: it is read on its host (--root /)`));
  return { ...names, isLocal: true, mark: ask, since: ask };
}

/** Characters of a line that are looked at: what it is stands at its beginning. */
const looksAt = 4096;

/** Where the catalogue names no pattern. */
const speaksOfErrors =
  /\b(error|fatal|critical|unauthori[sz]ed|forbidden|authentication failed|invalid signature)\b/i;

/** Whether Vault refused a request of one of the roles. */
function refusedTo(roles: string[]): (line: string) => boolean {
  return (line) => {
    // Parsing is what costs; most lines are about somebody else.
    if (!roles.some((role) => line.includes(role))) return false;
    const entry = normalise(line);
    if (entry === undefined || !roles.includes(entry.who)) return false;
    return entry.outcome !== "allowed" && entry.outcome !== "pending";
  };
}

function sum(samples: Sample[]): number {
  return samples.reduce((total, { value }) => total + value, 0);
}
