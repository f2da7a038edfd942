import { dirname, join } from "node:path";
import { keptServiceId } from "../../model/kept-names.ts";
import type { Service } from "../../model/model.ts";
import type { Claims } from "./claims.ts";
import type { Folder } from "./folder.ts";
import { holdPlace } from "./hold.ts";
import type { Host } from "./host.ts";
import type { LogMark } from "./log-mark.ts";
import { type Manifest, manifestText, markedSection, parseManifest, type Section } from "./manifest.ts";
import { lookAt, lookIn, type OwnedFile, placeFiles, removeFiles, tryFiles } from "./owned-file.ts";
import { ownUid } from "./owner.ts";
import { type Bundle, DeliveryError, StaleBundleError } from "./sink.ts";

/** Where files of services lie on their host: a folder of secrets, or the folder of an env-file. */
export interface Place {
  /** The folder. */
  folder: string;
  /** Name of the manifest in it. */
  manifest: string;
}

/** What is to be there after a write. */
export interface Change {
  files: OwnedFile[];
  section: Section;
  /** Names of files of ours that nobody is delivered any more. */
  obsolete: string[];
}

/**
 * Changes a place that services may share: reads what is there, lets `change` decide, puts it there. The manifest is
 * written last: a service that watches several files watches it, and a run that was killed before it begins again.
 * @returns whether a file changed
 */
export async function changePlace(
  host: Host,
  folder: Folder,
  { manifest: name }: Place,
  service: Service,
  change: (manifest: Manifest) => Promise<Change>,
): Promise<boolean> {
  await using _held = await holdPlace(folder, lockOf(name));
  await folder.assertInPlace();
  const manifest = await manifestIn(folder, name, host);
  const { files, section, obsolete } = await change(manifest);
  const id = keptServiceId(service);
  // Before anything lies there. Where it watches, and lies there already, it is not known since when it reads that.
  const isKnown = service.reload !== "watch" || (await wouldChange(folder, files));
  const marked = markedSection(
    section,
    manifest.services[id],
    isKnown ? await host.endOfLog(service) : undefined,
  );
  const changed = await placeFiles(folder, files);
  await removeFiles(folder, obsolete);
  const content = manifestText({ services: { ...manifest.services, [id]: marked } });
  await placeFiles(folder, [{ name, content, owner: { uid: ownUid() } }]);
  return changed.length > 0 || obsolete.length > 0;
}

/** Refuses what `changePlace` would in a folder that is there, and changes nothing. */
export async function tryPlace(
  host: Host,
  folder: Folder,
  { manifest: name }: Place,
  change: (manifest: Manifest) => Promise<Change>,
): Promise<void> {
  const lock = lockOf(name);
  // Where none is nobody has written yet: to look makes nothing.
  await using _held = (await folder.look(lock)) && (await holdPlace(folder, lock));
  await folder.assertInPlace();
  const manifest = await manifestIn(folder, name, host);
  const { files } = await change(manifest);
  await tryFiles(folder, [...files, { name, content: manifestText(manifest), owner: { uid: ownUid() } }]);
}

/** Beside the place: whoever may write there may hold it. */
function lockOf(manifest: string): string {
  return manifest.replace(/\.json$/, ".lock");
}

async function manifestIn(folder: Folder, name: string, { knownAs }: Host): Promise<Manifest> {
  return parseManifest((await lookIn(folder, name))?.content, knownAs);
}

export async function manifestOf(
  { folder, manifest }: Place,
  { knownAs }: Pick<Host, "knownAs">,
): Promise<Manifest> {
  return parseManifest((await lookAt(join(folder, manifest)))?.content, knownAs);
}

/** How far a service's log was when its version of a secret was brought to a place. */
export async function logMarkIn(
  host: Host,
  place: Place,
  service: Service,
  secret: string,
): Promise<LogMark | undefined> {
  return (await manifestOf(place, host)).services[keptServiceId(service)]?.secrets[secret]?.log;
}

async function wouldChange(folder: Folder, files: OwnedFile[]): Promise<boolean> {
  for (const { name, content } of files) {
    if ((await lookIn(folder, name))?.content !== content) return true;
  }
  return false;
}

/**
 * A value that vanished from Vault is not taken from a service that runs with it, and a runner that was held up does not
 * bring back what another one has replaced.
 * @throws DeliveryError naming the secrets; StaleBundleError
 */
export function assertKept(bundle: Bundle, before: Section | undefined): void {
  assertNotOlder(bundle, before);
  const lost = bundle.missing.filter(({ secret }) => before?.secrets[secret] !== undefined);
  if (lost.length === 0) return;
  const names = [...new Set(lost.map(({ secret, renamed }) => renamed ?? secret))].join(", ");
  throw new DeliveryError(
    `${bundle.service.id} runs with ${names}, which Vault no longer has at its path: nothing is written; ` +
      "undelete the version, or set the secret again",
  );
}

function assertNotOlder({ service, versions, writtenAt }: Bundle, before: Section | undefined): void {
  const older = Object.entries(before?.secrets ?? {}).flatMap(([secret, held]) => {
    const isOlder = (versions[secret] ?? held.version) < held.version;
    return isOlder && Date.parse(writtenAt[secret] ?? "") < Date.parse(held.writtenAt) ? [secret] : [];
  });
  if (older.length === 0) return;
  throw new StaleBundleError(
    `${service.id} has newer versions of ${older.join(", ")} than it was to be given: nothing is written; where Vault ` +
      "itself went back, as after restoring a snapshot, set these secrets again",
  );
}

/** What else can be done about what the manifest says of a service that the catalogue does not deliver there. */
export function ifGone(claims: Claims, service: string, { folder, manifest }: Place): string {
  if (claims.service(service) !== undefined) return "";
  return `; where ${service} is gone, take it out of ${join(folder, manifest)}`;
}

/** The folder of a file, and its name in it. */
export function split(path: string): { folder: string; name: string } {
  const folder = dirname(path);
  return { folder, name: path.slice(folder === "/" ? 1 : folder.length + 1) };
}
