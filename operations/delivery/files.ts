import { join } from "node:path";
import { keptServiceId } from "../../model/kept-names.ts";
import type { Service } from "../../model/model.ts";
import type { Claims } from "./claims.ts";
import { envText } from "./env-text.ts";
import { checkFolder, type Folder, prepareFolder } from "./folder.ts";
import type { Host } from "./host.ts";
import type { LogMark } from "./log-mark.ts";
import { entriesOfOthers, foreignOwner, type Manifest, newerElsewhere, sectionOf } from "./manifest.ts";
import { lookIn, type OwnedFile } from "./owned-file.ts";
import { type Owner, ownerOf, ownUid } from "./owner.ts";
import {
  assertKept,
  type Change,
  changePlace,
  ifGone,
  logMarkIn,
  manifestOf,
  type Place,
  tryPlace,
} from "./place.ts";
import { runningOf } from "./running.ts";
import { type Bundle, DeliveryError, type Running, type Sink } from "./sink.ts";

/** Who goes through a folder: the service's user, whose it is (700), or several services' users, who may not change it (711). */
type Entered = "by its user" | "by several users";

export interface FilesOptions {
  /** As the catalogue names it, for messages. */
  name: string;
  /** The folder, on this machine. */
  folder: string;
  /** The folder that it lies in, where each service has its own. */
  within?: { folder: string; entered: Entered };
  /** The folder as the service sees it: what its _FILE variables point to. */
  seenAs: string;
  entered: Entered;
  /** Also write <service>.env with the variables: nothing else brings those that are no files. */
  withVariables: boolean;
  /** What the catalogue says of the folder. */
  claims: Claims;
}

/** A file per _FILE variable in a folder of secrets (R39, R40, R41, R45). */
export class FilesSink implements Sink {
  readonly name: string;
  readonly #service: Service;
  readonly #host: Host;
  readonly #options: FilesOptions;
  readonly #place: Place;
  readonly #envFile: string;

  constructor(service: Service, host: Host, options: FilesOptions) {
    this.name = options.name;
    this.#service = service;
    this.#host = host;
    this.#options = options;
    this.#place = { folder: options.folder, manifest: ".keyplane.json" };
    this.#envFile = `${service.name}.env`;
  }

  async check(bundle: Bundle): Promise<void> {
    const owner = await ownerOf(this.#service.user);
    const { within, inner } = this.#folders(owner);
    await using outer = within && (await checkFolder(within.path, within.whose));
    if (within !== undefined && outer === undefined) return;
    await using folder = await checkFolder(inner.path, inner.whose, outer);
    if (folder === undefined) return;
    await tryPlace(this.#host, folder, this.#place, (manifest) =>
      this.#change(bundle, folder, manifest, owner),
    );
  }

  async write(bundle: Bundle): Promise<boolean> {
    const owner = await ownerOf(this.#service.user);
    const { within, inner } = this.#folders(owner);
    await using outer = within && (await prepareFolder(within.path, within.whose, within));
    await using folder = await prepareFolder(inner.path, inner.whose, { mode: inner.mode, within: outer });
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
    const others = entriesOfOthers(manifest, keptServiceId(this.#service));
    const filesOf = (wanted: string) => {
      const names = Object.entries(section?.entries ?? {})
        .filter(([, secrets]) => secrets.includes(wanted))
        .map(([name]) => name);
      // Its variables are read at its start; a service that reads again reads the files that it was told of.
      const files = names.filter((name) => name !== this.#envFile);
      return (files.length > 0 ? files : names).map((name) => ({
        path: join(this.#options.folder, name),
        shared: others.has(name),
      }));
    };
    return runningOf({ service: this.#service, host: this.#host, section, filesOf }, secret, version);
  }

  logMark(secret: string): Promise<LogMark | undefined> {
    return logMarkIn(this.#host, this.#place, this.#service, secret);
  }

  /** The folder that each service's lies in, where there is one, and that with the files. */
  #folders(owner: Owner) {
    const { folder, entered, within } = this.#options;
    const as = (one: { folder: string; entered: Entered }) => ({
      path: one.folder,
      whose: one.entered === "by its user" ? owner : { uid: ownUid() },
      mode: one.entered === "by several users" ? (0o711 as const) : (0o700 as const),
    });
    return { within: within && as(within), inner: as({ folder, entered }) };
  }

  async #change(bundle: Bundle, folder: Folder, manifest: Manifest, owner: Owner): Promise<Change> {
    const before = manifest.services[keptServiceId(this.#service)];
    assertKept(bundle, before);
    const files: OwnedFile[] = [];
    const entries: Record<string, string[]> = {};
    for (const [name, content] of Object.entries(bundle.files)) {
      await this.#assertShareable(manifest, name, bundle.origins.files[name] ?? "", owner);
      const secret = bundle.origins.files[name] ?? "";
      entries[name] = [secret];
      const later = newerElsewhere(manifest, bundle, name, secret)
        ? (await lookIn(folder, name))?.content
        : undefined;
      files.push({ name, content: later ?? content, owner });
    }
    const plain = plainVariables(bundle);
    if (this.#options.withVariables && Object.keys(plain).length > 0) {
      const name = this.#envFile;
      const secrets = Object.keys(plain).map((variable) => bundle.origins.variables[variable]);
      entries[name] = [...new Set(secrets.filter((secret) => secret !== undefined))].sort();
      // First: who sees one of the others change finds the variables changed.
      files.unshift({ name, content: envText(variablesSeen(bundle, this.#options.seenAs)), owner });
    }
    const shared = entriesOfOthers(manifest, keptServiceId(this.#service));
    const obsolete = Object.keys(before?.entries ?? {}).filter(
      (name) => !(name in entries) && !shared.has(name),
    );
    return { files, section: sectionOf(bundle, before, { entries, uid: owner.uid }, new Date()), obsolete };
  }

  async #assertShareable(manifest: Manifest, file: string, secret: string, { uid }: Owner): Promise<void> {
    const { claims } = this.#options;
    const own = keptServiceId(this.#service);
    const foreign = foreignOwner(manifest, claims, own, file, [secret]);
    if (foreign !== undefined) {
      throw new DeliveryError(
        `${join(this.#options.folder, file)} is that of another secret of ${foreign}: give one of them another name under ` +
          `\`files\`${ifGone(claims, foreign, this.#place)}`,
      );
    }
    for (const [id, { entries }] of Object.entries(manifest.services)) {
      const reader = id === own || !(file in entries) ? undefined : claims.service(id);
      // Whose it is to be, which may be another than it was given to.
      const theirs = reader === undefined ? uid : (await ownerOf(reader.user)).uid;
      if (theirs === uid) continue;
      throw new DeliveryError(
        `${join(this.#options.folder, file)} is read by ${id} (uid ${theirs}) and ${this.#service.id} (uid ${uid}), ` +
          "and only one can own it: give one of them a file name of its own under `files`",
      );
    }
  }
}

/** The variables that name no file. */
export function plainVariables({ variables, files, origins }: Bundle): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).filter(([name, value]) => !isFile({ files, origins }, name, value)),
  );
}

/** Every variable, those of files with the path that the service sees. */
export function variablesSeen(bundle: Bundle, folder: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(bundle.variables).map(([name, value]) => [
      name,
      isFile(bundle, name, value) ? `${folder.replace(/\/+$/, "")}/${value}` : value,
    ]),
  );
}

function isFile({ files, origins }: Pick<Bundle, "files" | "origins">, name: string, value: string): boolean {
  return name.endsWith("_FILE") && origins.variables[name] !== undefined && value in files;
}
