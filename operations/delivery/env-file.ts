import { parseEnv } from "node:util";
import { keptServiceId } from "../../model/kept-names.ts";
import type { Service } from "../../model/model.ts";
import type { Claims } from "./claims.ts";
import { envText } from "./env-text.ts";
import { variablesSeen } from "./files.ts";
import { checkSharedFolder, type Folder, prepareSharedFolder } from "./folder.ts";
import type { Host } from "./host.ts";
import type { LogMark } from "./log-mark.ts";
import { entriesOfOthers, foreignOwner, type Manifest, newerElsewhere, sectionOf } from "./manifest.ts";
import { lookIn } from "./owned-file.ts";
import { type Owner, ownerOf } from "./owner.ts";
import {
  assertKept,
  type Change,
  changePlace,
  ifGone,
  logMarkIn,
  manifestOf,
  type Place,
  split,
  tryPlace,
} from "./place.ts";
import { runningOf } from "./running.ts";
import { type Bundle, DeliveryError, type Running, type Sink } from "./sink.ts";

export interface EnvFileOptions {
  /** As the catalogue names it, for messages. */
  name: string;
  /** The file, on this machine. */
  path: string;
  /** Folder of the service's files as it sees them; undefined where it has none. */
  filesSeenAs: string | undefined;
  /** What the catalogue says of the file. */
  claims: Claims;
}

/** Every variable of a service in one file of mode 600 (R42). Services may share it: then it holds those of all. */
export class EnvFileSink implements Sink {
  readonly name: string;
  readonly #service: Service;
  readonly #host: Host;
  readonly #options: EnvFileOptions;
  readonly #place: Place;
  readonly #file: string;

  constructor(service: Service, host: Host, options: EnvFileOptions) {
    this.name = options.name;
    this.#service = service;
    this.#host = host;
    this.#options = options;
    const { folder, name } = split(options.path);
    this.#file = name;
    this.#place = { folder, manifest: `${name}.keyplane.json` };
  }

  async check(bundle: Bundle): Promise<void> {
    const owner = await ownerOf(this.#service.user);
    await using folder = await checkSharedFolder(this.#place.folder, owner);
    if (folder === undefined) return;
    await tryPlace(this.#host, folder, this.#place, (manifest) =>
      this.#change(bundle, folder, manifest, owner),
    );
  }

  async write(bundle: Bundle): Promise<boolean> {
    const owner = await ownerOf(this.#service.user);
    await using folder = await prepareSharedFolder(this.#place.folder, owner);
    return await changePlace(this.#host, folder, this.#place, this.#service, (manifest) =>
      this.#change(bundle, folder, manifest, owner),
    );
  }

  async reload(signal?: AbortSignal): Promise<void> {
    await this.#host.reload(this.#service, signal);
  }

  async running(secret: string, version: number): Promise<Running> {
    const manifest = await manifestOf(this.#place, this.#host);
    const section = manifest.services[keptServiceId(this.#service)];
    const shared = Object.keys(manifest.services).length > 1;
    const filesOf = () => [{ path: this.#options.path, shared }];
    return runningOf({ service: this.#service, host: this.#host, section, filesOf }, secret, version);
  }

  logMark(secret: string): Promise<LogMark | undefined> {
    return logMarkIn(this.#host, this.#place, this.#service, secret);
  }

  async #change(bundle: Bundle, folder: Folder, manifest: Manifest, owner: Owner): Promise<Change> {
    const id = keptServiceId(this.#service);
    const before = manifest.services[id];
    assertKept(bundle, before);
    if (this.#options.filesSeenAs === undefined && Object.keys(bundle.files).length > 0) {
      throw new DeliveryError(
        `${this.#service.id} reads files (${Object.keys(bundle.files).join(", ")}), and ${this.name} cannot carry them: ` +
          "add { to: files, folder: … } to its deliver",
      );
    }
    const own = variablesSeen(bundle, this.#options.filesSeenAs ?? "");
    const there = parseEnv((await lookIn(folder, this.#file))?.content ?? "");
    const others = entriesOfOthers(manifest, id);
    this.#assertOurs(Object.keys(there), new Set([...others, ...Object.keys(before?.entries ?? {})]), own);
    const variables: Record<string, string> = {};
    for (const name of others) {
      if (there[name] !== undefined) variables[name] = there[name];
    }
    const entries: Record<string, string[]> = {};
    for (const [name, value] of Object.entries(own)) {
      const secret = bundle.origins.variables[name];
      entries[name] = secret === undefined ? [] : [secret];
      const foreign = foreignOwner(manifest, this.#options.claims, id, name, entries[name]);
      if (foreign !== undefined) {
        throw new DeliveryError(
          `${this.#options.path} holds another ${name}, that of ${foreign}: give each its own env-file ` +
            `(relative paths lie in the project's folder: say which)${ifGone(this.#options.claims, foreign, this.#place)}`,
        );
      }
      const isLater = secret !== undefined && newerElsewhere(manifest, bundle, name, secret);
      variables[name] = isLater ? (there[name] ?? value) : value;
    }
    return {
      files: [{ name: this.#file, content: envText(variables), owner }],
      section: sectionOf(bundle, before, { entries, uid: owner.uid }, new Date()),
      obsolete: [],
    };
  }

  /** A file that someone wrote by hand may hold what the service needs and the catalogue does not know. */
  #assertOurs(there: string[], known: Set<string>, own: Record<string, string>): void {
    const foreign = there.filter((name) => !known.has(name) && !(name in own));
    if (foreign.length === 0) return;
    // What is no name may be a part of someone's value.
    const names = foreign.map((name) => (/^[A-Za-z_][A-Za-z0-9_]{0,79}$/.test(name) ? name : "…")).join(", ");
    throw new DeliveryError(
      `${this.#options.path} holds variables that the catalogue does not declare (${names}): ` +
        "declare them as settings or secrets, or take them out of the file",
    );
  }
}
