/** Small stand-ins for tools, for Go and for a vendor's server, for the tests of this folder. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { DownloadLimits } from "../../../local/toolchain/download.ts";
import type { Download, ToolPackage } from "../../../local/toolchain/package.ts";
import { Toolchain, type ToolchainSettings } from "../../../local/toolchain/toolchain.ts";
import type { Step } from "../../../operations/progress.ts";

export type Fake = "gadget" | "widget";
export const platform = "linux-amd64";

/** A tool that prints its name and version, and then a second line that tells one copy from another. */
export function script(name: string, version: string, mark = "official"): string {
  return `#!/bin/sh\necho "${name} v${version}"\necho "${mark}"\n`;
}

export const official = Buffer.from(script("gadget", "1.2.3"));

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A folder that is gone after the test. */
export async function folder(test: TestContext): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "keyplane-toolchain-"));
  test.after(() => rm(made, { recursive: true, force: true }));
  return made;
}

export async function place(file: string, text: string): Promise<string> {
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, text);
  await chmod(file, 0o755);
  return file;
}

/** A vendor's server on a free port of 127.0.0.1; `paths` are the requests that it got. */
export async function vendor(
  test: TestContext,
  answer: RequestListener,
): Promise<{ url: string; paths: string[] }> {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? "");
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, paths };
}

/** The address of a server that is not there. */
export async function nobody(): Promise<string> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return `http://127.0.0.1:${port}`;
}

/** A vendor's server that always answers with these bytes. */
export async function vendorOf(
  test: TestContext,
  bytes: Uint8Array,
): Promise<{ url: string; paths: string[] }> {
  return await vendor(test, (_, response) => response.end(bytes));
}

/** The package of the fake `gadget` 1.2.3, with a plain executable as its download. */
export function gadget(url: string, download: Partial<Download> = {}): ToolPackage<Fake> {
  return {
    name: "gadget",
    version: "1.2.3",
    page: "https://gadget.example/1.2.3",
    executables: { gadget: ["--version"] },
    downloads: {
      [platform]: {
        url: `${url}/gadget`,
        sha256: sha256(official),
        format: "executable",
        members: { gadget: "gadget" },
        ...download,
      },
    },
    build: {
      folder: import.meta.dirname,
      packages: ["gadget.example/cmd/gadget"],
      ldflags: "-s",
      minutes: 1,
    },
  };
}

/** Never the reason for a failure, even on a machine that is busy with other things. */
export const patient: DownloadLimits = { connect: 30_000, patience: 60_000, slowest: 0 };
/** Gives up on what a test makes slow. */
export const hasty: DownloadLimits = { connect: 1_000, patience: 400, slowest: 1_000 };

export interface World {
  toolchain: Toolchain<Fake>;
  settings: ToolchainSettings<Fake>;
  steps: Step[];
  report: (step: Step) => void;
  /** What lies in the cache now beside its lock, sorted. */
  cached(): Promise<string[]>;
  /** A toolchain as another process would have it: the same cache, nothing remembered. */
  again(changes?: Partial<ToolchainSettings<Fake>>): Toolchain<Fake>;
}

/** A toolchain with an empty cache and a PATH that has the machine's `sh` and no Go. */
export async function world(
  test: TestContext,
  packages: ToolPackage<Fake>[],
  changes: Partial<ToolchainSettings<Fake>> = {},
): Promise<World> {
  const steps: Step[] = [];
  const settings: ToolchainSettings<Fake> = {
    packages,
    cache: join(await folder(test), "cache"),
    platform,
    environment: { PATH: "/bin:/usr/bin" },
    limits: patient,
    ...changes,
  };
  return {
    toolchain: new Toolchain(settings),
    settings,
    steps,
    report: (step) => steps.push(step),
    cached: async () => (await readdir(settings.cache)).filter((name) => !name.endsWith(".lock")).sort(),
    again: (more = {}) => new Toolchain({ ...settings, ...more }),
  };
}

/** A PATH with a fake `go` that "builds" gadget 1.2.3, or runs `body` instead. */
export async function pathWithGo(test: TestContext, body?: string): Promise<string> {
  const bin = await folder(test);
  const builds = [
    'while [ "$1" != -o ]; do shift; done',
    `cat > "$2gadget" <<'END'\n${script("gadget", "1.2.3", "built")}END`,
    'chmod 755 "$2gadget"',
  ].join("\n");
  await place(join(bin, "go"), `#!/bin/sh\n${body ?? builds}\n`);
  return `${bin}:/bin:/usr/bin`;
}

/** What was said in one state. */
export function texts(steps: Step[], state: Step["state"]): string[] {
  return steps.filter((step) => step.state === state).map((step) => step.text);
}
