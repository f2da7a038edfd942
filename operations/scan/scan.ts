import { createReadStream } from "node:fs";
import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Report } from "../progress.ts";
import { Baseline } from "./baseline.ts";
import type { Repository } from "./checks/repository.ts";
import { Reading, scanContent } from "./content.ts";
import type { Detection, Finding } from "./finding.ts";
import { git, isShallow, rootOf } from "./git.ts";
import { scanBlobs } from "./sources/blobs.ts";
import { Inside } from "./sources/file.ts";
import { scanFiles } from "./sources/files.ts";
import { filesIn } from "./sources/folder.ts";
import { historyOf, type Wanted } from "./sources/history.ts";
import { stagedIn } from "./sources/staged.ts";
import { trackedIn } from "./sources/tracked.ts";
import { type ScanResult, Tally } from "./tally.ts";

export interface ScanOptions {
  /** Where to begin to look for the repository. */
  cwd: string;
  report?: Report;
  /** Ends a scan with the signal's reason; a stream ends with what was found until then. */
  signal?: AbortSignal;
}

/** Everything tracked, as it lies in the folder, and what the repository itself must be like. */
export async function scanTracked({ cwd, report, signal }: ScanOptions): Promise<ScanResult> {
  const root = await rootOf(cwd);
  const tracked = await trackedIn(root);
  const inside = new Inside(root);
  const tally = new Tally(await Baseline.read(root));
  const paths = tracked.files.map(({ path }) => path);
  const here = await inside.those(paths);
  const files = here.map((path) => join(root, path));
  await scanInto(tally, files, here, { report, signal });
  tally.findings.push(...(await checked({ root, paths, read: (path) => readTracked(root, path, inside) })));
  tally.addUnused();
  const links = tracked.links.length;
  if (links > 0)
    tally.skipped.push(
      links === 1
        ? "1 symbolic link, which is not followed"
        : `${links} symbolic links, which are not followed`,
    );
  tally.skipped.push(...unopened(paths));
  for (const path of tracked.submodules)
    tally.skipped.push(`${path}: a submodule, which is scanned in its own repository`);
  return tally.result();
}

/** What the next commit changes. */
export async function scanStaged({ cwd }: ScanOptions): Promise<ScanResult> {
  const root = await rootOf(cwd);
  const staged = await stagedIn(root);
  const tally = new Tally(await Baseline.read(root));
  for await (const { asked, ...scanned } of scanBlobs(root, staged, ({ path }) => tally.optionsOf(path))) {
    tally.add(asked.path, scanned);
  }
  const paths = (await trackedIn(root)).files.map(({ path }) => path);
  tally.findings.push(...(await checked({ root, paths, read: (path) => readStaged(root, path) })));
  return tally.result();
}

/** The files at or below paths, tracked or not. */
export async function scanPaths(
  paths: readonly string[],
  { cwd, report, signal }: ScanOptions,
): Promise<ScanResult> {
  const files = await filesIn(paths);
  const tally = new Tally(await baselineAround(cwd));
  await scanInto(tally, files, files, { report, signal });
  tally.skipped.push(...unopened(files));
  return tally.result();
}

/** Scans files under the names that they are told by; those that could not be read are told as well. */
async function scanInto(
  tally: Tally,
  files: readonly string[],
  names: readonly string[],
  { report, signal }: { report: Report | undefined; signal: AbortSignal | undefined },
): Promise<void> {
  const progress = progressOf(report, files.length);
  const read = await scanFiles(files, names, tally.hashes, { progress, ...(signal && { signal }) });
  tally.addFiles(names, read);
  const indexes = new Set(read.map(({ index }) => index));
  for (const [index, name] of names.entries()) {
    if (indexes.has(index)) continue;
    // Names are bytes; one that is no UTF-8 opens nothing when it is asked for.
    if (name.includes("\ufffd"))
      tally.skipped.push(`${name}: its name is not UTF-8, so it was not read: rename it`);
    else if (await isFile(files[index] ?? "")) tally.skipped.push(`${name}: could not be read`);
  }
}

/** A file that is gone is for the commit that takes it out. */
async function isFile(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isFile() === true;
}

/** Of what is compressed only what stands there as it is was looked at: a scan without a finding says so. */
function unopened(paths: readonly string[]): string[] {
  const { length } = paths.filter((path) => /\.(gz|tgz|bz2|xz|zst|zip|7z|rar|jar|war|whl)$/i.test(path));
  if (length === 0) return [];
  return [
    length === 1
      ? "1 compressed file, which is not opened"
      : `${length} compressed files, which are not opened`,
  ];
}

/** Every content and message of the history, each once. */
export async function scanHistory(
  { cwd, report, signal }: ScanOptions,
  wanted: Wanted = {},
): Promise<ScanResult> {
  const root = await rootOf(cwd);
  const { contents, messages } = await historyOf(root, wanted);
  const tally = new Tally(await Baseline.read(root));
  for (const { commit, text } of messages) {
    const bytes = Buffer.from(text);
    tally.add("commit message", { ...scanContent(bytes, { comments: false }), bytes: bytes.length }, commit);
  }
  let done = 0;
  const progress = progressOf(report, contents.length);
  for await (const { asked, ...scanned } of scanBlobs(root, contents, ({ path }) => tally.optionsOf(path))) {
    signal?.throwIfAborted();
    progress(++done);
    tally.add(asked.path, scanned, asked.commit);
  }
  if (await isShallow(root))
    tally.skipped.push("what lies before this shallow clone: fetch it with `git fetch --unshallow`");
  return tally.result();
}

/** A log that lies in a file. @throws PathError */
export async function scanLog(path: string, options: ScanOptions): Promise<ScanResult> {
  const [file = path] = await filesIn([path]);
  return await scanStream(path, createReadStream(file), options);
}

/** A stream of lines, such as a log, until it ends or the signal comes. */
export async function scanStream(
  name: string,
  stream: Readable,
  { signal }: Partial<ScanOptions> = {},
): Promise<ScanResult> {
  const tally = new Tally(new Baseline());
  const reading = new Reading({ comments: false });
  let bytes = 0;
  const detections: Detection[] = [];
  const stop = () => stream.destroy();
  signal?.addEventListener("abort", stop);
  try {
    for await (const chunk of stream) {
      const piece = Buffer.from(chunk as Uint8Array);
      bytes += piece.length;
      detections.push(...reading.push(piece));
    }
  } catch (error) {
    // Ctrl-C ends a log that is followed; what has come is looked at.
    if (signal?.aborted !== true) throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  detections.push(...reading.end());
  tally.add(name, { detections, allowed: 0, bytes });
  return tally.result();
}

/** Loaded where it is asked for: it reads YAML. */
async function checked(repository: Repository): Promise<Finding[]> {
  const { checkRepository } = await import("./checks/index.ts");
  return await checkRepository(repository);
}

const readTracked = async (root: string, path: string, inside: Inside): ReturnType<Repository["read"]> =>
  (await inside.has(path)) ? await readFile(join(root, path), "utf8").catch(() => undefined) : undefined;

const readStaged = async (root: string, path: string): ReturnType<Repository["read"]> =>
  (await git(root, ["cat-file", "blob", `:${path}`])).toString("utf8");

async function baselineAround(cwd: string): Promise<Baseline> {
  const root = await rootOf(cwd).catch(() => undefined);
  return root === undefined ? new Baseline() : await Baseline.read(root);
}

/** Says how far a long scan is; a short one says nothing. */
function progressOf(report: Report | undefined, all: number): (done: number) => void {
  let said = 500;
  return (done) => {
    if (done < said + 500) return;
    said = done;
    report?.({ subject: "scan", state: "progress", text: `${done} of ${all}` });
  };
}
