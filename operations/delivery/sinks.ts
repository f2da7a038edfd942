import { join } from "node:path";
import { keptServiceId, knownAs } from "../../model/kept-names.ts";
import type { CiJob, Delivery, Model, Service } from "../../model/model.ts";
import { claimsOf } from "./claims.ts";
import { EnvFileSink } from "./env-file.ts";
import { FilesSink } from "./files.ts";
import { Host, type HostOptions } from "./host.ts";
import { instancesOf, logMarkAmong, runningInstances } from "./instances.ts";
import type { LogMark } from "./log-mark.ts";
import { filesOf, nameOf, neighbours, rivalNames, variablesOf } from "./neighbours.ts";
import { foldersFor, type Runs } from "./runs.ts";
import { type Bundle, DeliveryError, type Running, type Sink, UnreachedError } from "./sink.ts";

export interface SinkOptions extends Omit<HostOptions, "root" | "knownAs"> {
  /**
   * What stands for the root of the services' host: "/" on the host itself, another folder in a test. Without it this
   * machine is not their host, and nothing is written here.
   */
  root?: string;
}

/**
 * The places where a service reads its values, as far as this machine reaches them; in the order of its `deliver`. One
 * that is not reached is among them and says so: nothing is left out silently.
 */
export function sinksOf(
  model: Pick<Model, "services" | "secrets">,
  service: Service,
  options: SinkOptions,
): Sink[] {
  const { root } = options;
  const host = new Host({ ...options, root: root ?? "/", knownAs: knownAs(model) });
  return service.deliver.map(
    (delivery) => new Supervised(service, host, sinkOf(model, service, delivery, host, root)),
  );
}

/** The places where a CI job is given its values; none where it reads Vault itself. */
export function jobSinksOf({ deliver }: Pick<CiJob, "deliver">): Sink[] {
  return deliver.map(
    (delivery) =>
      new ByHand(
        nameOf(delivery),
        `${later(delivery)}: leave out the job's deliver, so that it reads Vault itself`,
      ),
  );
}

/** Where a service is delivered files, as the catalogue names them. */
type Folder = Extract<Delivery, { folder: string }>;

function sinkOf(
  model: Pick<Model, "services" | "secrets">,
  service: Service,
  delivery: Delivery,
  host: Host,
  root: string | undefined,
): Sink {
  const name = nameOf(delivery);
  switch (delivery.to) {
    case "files":
    case "compose-secrets":
    case "vault-agent": {
      if (root === undefined)
        return new Unreached(name, elsewhere, delivery.to === "vault-agent", UnreachedError);
      const { isOwn, path, seenAs } = folderOf(model, service, delivery);
      const entered = isOneUsers(model, service, delivery) ? "by its user" : "by several users";
      return new FilesSink(service, host, {
        name,
        folder: host.path(path),
        ...(isOwn && { within: { folder: host.path(delivery.folder), entered } }),
        seenAs,
        entered: isOwn ? "by its user" : entered,
        withVariables: !service.deliver.some(({ to }) => to === "env-file"),
        claims: claimsOf(
          model,
          (other, one) => "folder" in one && host.path(folderOf(model, other, one).path) === host.path(path),
          filesOf,
        ),
      });
    }
    case "env-file": {
      if (root === undefined) return new Unreached(name, elsewhere, false, UnreachedError);
      if (!isOneUsers(model, service, delivery)) return new Unreached(name, severalUsers, false);
      const rivals = rivalNames(model, service, delivery, variablesOf);
      if (rivals.length > 0) return new Unreached(name, severalRoles(rivals), false);
      const files = service.deliver.find((other): other is Folder => "folder" in other);
      return new EnvFileSink(service, host, {
        name,
        path: host.path(delivery.path),
        filesSeenAs: files && folderOf(model, service, files).seenAs,
        claims: claimsOf(
          model,
          (_, one) => one.to === "env-file" && host.path(one.path) === host.path(delivery.path),
          ({ as }) => Object.keys(as),
        ),
      });
    }
    case "vault-secrets-operator":
      return new Unreached(
        name,
        "the operator in the cluster brings it, and is asked by a later version",
        true,
      );
    default:
      return new Unreached(name, later(delivery), false);
  }
}

const later = ({ to }: Delivery) => `delivery to ${to} comes with a later version of keyplane`;

const elsewhere =
  "this machine is not the service's host: run the same command there (with --root /), or start the service with " +
  "`keyplane run` here, as yourself or as its user";

const severalRoles = (names: string[]) =>
  `services that sign and services that accept read ${names.join(", ")} from it, and those that accept get a new value ` +
  "first: give each a path of its own";

const severalUsers =
  "services with different users share it, and a file of mode 600 has one owner: give each a path of its own";

/** Whether all services of a place have one user. */
function isOneUsers(model: Pick<Model, "services">, service: Service, delivery: Delivery): boolean {
  return neighbours(model, service, delivery).every(({ user }) => user === service.user);
}

/**
 * The folder that a service is delivered to, below what the catalogue names where a neighbour of another role has files of
 * the same names: a container still sees them all in its mount.
 */
function folderOf(model: Pick<Model, "services" | "secrets">, service: Service, delivery: Folder) {
  const isOwn = rivalNames(model, service, delivery, filesOf).length > 0;
  const seen = delivery.to === "compose-secrets" ? delivery.mount : delivery.folder;
  return {
    isOwn,
    path: isOwn ? join(delivery.folder, service.name) : delivery.folder,
    seenAs: isOwn && delivery.to !== "compose-secrets" ? join(seen, service.name) : seen,
  };
}

/** What `keyplane run` supervises reads nothing else: files are written for a service that runs without it. */
class Supervised implements Sink {
  readonly name: string;
  readonly #service: Service;
  readonly #host: Host;
  readonly #otherwise: Sink;

  constructor(service: Service, host: Host, otherwise: Sink) {
    this.name = otherwise.name;
    this.#service = service;
    this.#host = host;
    this.#otherwise = otherwise;
  }

  async unreached(): Promise<DeliveryError | undefined> {
    const instances = await this.#host.instances(this.#service);
    return instances.length > 0 ? undefined : this.#otherwise.unreached?.();
  }

  async check(bundle: Bundle): Promise<void> {
    const instances = await this.#host.instances(this.#service);
    if (instances.length === 0) await this.#named(async () => this.#otherwise.check?.(bundle));
  }

  async write(bundle: Bundle): Promise<boolean> {
    const instances = await this.#host.instances(this.#service);
    return instances.length > 0 ? false : this.#named(() => this.#otherwise.write(bundle));
  }

  async reload(signal?: AbortSignal): Promise<void> {
    const instances = await this.#host.instances(this.#service);
    await (instances.length > 0 ? this.#host.poke(instances) : this.#otherwise.reload(signal));
  }

  async running(secret: string, version: number): Promise<Running> {
    const instances = await this.#host.instances(this.#service);
    if (instances.length === 0) return this.#otherwise.running(secret, version);
    const seen = await runningInstances(instances, secret, version);
    // While it is started again it may be ending.
    const runs = instances.every(({ child }) => child !== undefined);
    return seen.state === "behind" && runs ? { ...seen, isDown: false } : seen;
  }

  async logMark(secret: string): Promise<LogMark | undefined> {
    const instances = await this.#host.instances(this.#service);
    return instances.length > 0 ? logMarkAmong(instances, secret) : this.#otherwise.logMark?.(secret);
  }

  /** Says of an error of the file system (a full disk, a missing right) where it was. */
  async #named<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      const { code, syscall, path } = error as NodeJS.ErrnoException;
      if (code === undefined || syscall === undefined) throw error;
      const where = path === undefined ? this.name : `${this.name} (${path})`;
      throw new DeliveryError(`${where} cannot be written: ${syscall} failed (${code})`, { cause: error });
    }
  }
}

/**
 * How far a service's log was when the first of its places was brought what they have of a secret; where it has none, when
 * `keyplane run` gave it that.
 */
export async function logMarkOf(
  service: Service,
  sinks: Sink[],
  secret: string,
  runs: Runs,
): Promise<LogMark | undefined> {
  for (const sink of sinks) {
    const mark = await sink.logMark?.(secret);
    if (mark !== undefined) return mark;
  }
  return logMarkAmong(await instancesOf(await foldersFor(runs, service), keptServiceId(service)), secret);
}

/** A target that cannot be reached from here, or from anywhere. One that fetches for itself is only not seen; others block. */
class Unreached implements Sink {
  readonly name: string;
  readonly #why: string;
  readonly #fetches: boolean;
  readonly #Refusal: typeof DeliveryError;

  constructor(name: string, why: string, fetches: boolean, Refusal = DeliveryError) {
    this.name = name;
    this.#why = why;
    this.#fetches = fetches;
    this.#Refusal = Refusal;
  }

  async unreached(): Promise<DeliveryError | undefined> {
    return this.#fetches ? undefined : new this.#Refusal(`${this.name}: ${this.#why}`);
  }

  async write(): Promise<boolean> {
    const refusal = await this.unreached();
    if (refusal !== undefined) throw refusal;
    return false;
  }

  async reload(): Promise<void> {}

  async running(): Promise<Running> {
    return { state: "unobservable", why: this.#why, mayBeSeen: true };
  }
}

/** A target that nothing writes yet, and a person can. */
class ByHand implements Sink {
  readonly name: string;
  readonly byHand: string;

  constructor(name: string, why: string) {
    this.name = name;
    this.byHand = why;
  }

  async write(): Promise<boolean> {
    return false;
  }

  async reload(): Promise<void> {}

  async running(): Promise<Running> {
    return { state: "unobservable", why: this.byHand };
  }
}
