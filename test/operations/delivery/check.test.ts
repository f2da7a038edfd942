import assert from "node:assert/strict";
import { chmod, lstat, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import type { Delivery, Service } from "../../../model/model.ts";
import { sinksOf } from "../../../operations/delivery/sinks.ts";
import { bundleFor, serviceOf, type TestHost, testHost } from "./services.ts";

const isRoot = process.geteuid?.() === 0;
const envFile = "/app/local.env";
const folder = "/app/secrets";

interface Case {
  what: string;
  deliver: Delivery[];
  more?: Partial<Service>;
  /** What stands in the way. */
  spoil(host: TestHost): Promise<void>;
  why: RegExp;
}

const toEnvFile: Delivery[] = [{ to: "env-file", path: envFile }];
const toFiles: Delivery[] = [{ to: "files", folder }];
const cases: Case[] = [
  {
    what: "a variable that a person added to the env-file",
    deliver: toEnvFile,
    spoil: ({ root }) => writeFile(join(root, envFile), "DEBUG=1\n", { flag: "a" }),
    why: /does not declare \(DEBUG\)/,
  },
  {
    what: "a folder of the env-file that others may write to",
    deliver: toEnvFile,
    spoil: ({ root }) => chmod(dirname(join(root, envFile)), 0o775),
    why: /others may write to/,
  },
  {
    what: "an env-file that is a link",
    deliver: toEnvFile,
    spoil: async ({ root }) => {
      await mkdir(join(root, "app"), { recursive: true });
      await symlink("/etc/hosts", join(root, "app/other.env"));
    },
    more: { deliver: [{ to: "env-file", path: "/app/other.env" }] },
    why: /symbolic link/,
  },
  {
    what: "a user that the host does not have",
    deliver: toEnvFile,
    spoil: async () => {},
    more: { user: "svc_none" },
    why: /no user svc_none/,
  },
  {
    what: "a folder of secrets that is a file",
    deliver: toFiles,
    spoil: ({ root }) => writeFile(join(root, "app/elsewhere"), ""),
    more: { deliver: [{ to: "files", folder: "/app/elsewhere" }] },
    why: /no folder/,
  },
  {
    what: "a file that leads elsewhere",
    deliver: toFiles,
    spoil: async ({ root }) => {
      await mkdir(join(root, "app/links"), { recursive: true, mode: 0o700 });
      await symlink("/etc/hosts", join(root, "app/links/pem"));
    },
    more: { deliver: [{ to: "files", folder: "/app/links" }] },
    why: /symbolic link/,
  },
  {
    what: "files that belong to a user to whom this process may not give them",
    deliver: toEnvFile,
    spoil: makeReadable,
    more: { user: 4321, deliver: [{ to: "env-file", path: "/app/new.env" }] },
    why: /may not give it away/,
  },
  {
    what: "a folder in which this process may make nothing",
    deliver: toEnvFile,
    spoil: makeReadable,
    more: { deliver: [{ to: "env-file", path: "/app/new.env" }] },
    why: /env-file .+ cannot be written: open failed \(EACCES\)/,
  },
];

describe("before anything depends on it, a place", () => {
  for (const { what, deliver, more = {}, spoil, why } of cases) {
    const asOther = /this process/.test(what);
    test(`refuses ${what}, as a delivery would, and nothing in it changes (R42, R45)`, {
      skip: asOther && !isRoot,
    }, async () => {
      await using host = await testHost();
      const service = serviceOf("api", deliver);
      const bundle = bundleFor(service, { "shop/a": { variables: { KEY: "1" } } });
      const files = bundleFor(service, { "shop/a": { files: { pem: "1" } } });
      const brought = deliver === toEnvFile ? bundle : files;
      const at = (one: Service) => {
        const [sink] = sinksOf({ services: [one], secrets: [] }, one, host);
        return sink ?? assert.fail();
      };
      await at(service).write(brought);
      await spoil(host);
      const spoilt = { ...service, ...more };
      const before = await tree(host);
      if (asOther) process.seteuid?.(65_534);
      try {
        const refusal = { name: "DeliveryError", message: why };
        await assert.rejects(async () => at(spoilt).check?.({ ...brought, service: spoilt }), refusal);
        await assert.rejects(at(spoilt).write({ ...brought, service: spoilt }), { name: "DeliveryError" });
      } finally {
        if (asOther) process.seteuid?.(0);
      }
      assert.deepEqual(await tree(host), before);
    });
  }

  test("that takes what it is brought is left as it is, and made by no check", async () => {
    await using host = await testHost();
    const service = serviceOf("api", [...toEnvFile, ...toFiles]);
    const bundle = bundleFor(service, { "shop/a": { files: { pem: "1" } } });
    const sinks = () => sinksOf({ services: [service], secrets: [] }, service, host);
    for (const sink of sinks()) await sink.check?.(bundle);
    assert.deepEqual(await tree(host), []);
    for (const sink of sinks()) await sink.write(bundle);
    const before = await tree(host);
    for (const sink of sinks()) await sink.check?.(bundle);
    assert.deepEqual(await tree(host), before);
  });
});

async function makeReadable({ root }: TestHost): Promise<void> {
  for (const one of ["..", ".", "app"]) await chmod(join(root, one), 0o755);
}

/** What lies there, each with what it is and, of a file, when it was written; but for what runners meet at. */
async function tree({ root }: TestHost): Promise<string[]> {
  const names = await readdir(root, { recursive: true }).catch(() => []);
  const found = names
    .filter((name) => !name.endsWith(".keyplane.lock"))
    .map(async (name) => {
      const stats = await lstat(join(root, name));
      const { ino, mode, uid, mtimeMs } = stats;
      return [name, ino, mode.toString(8), uid, ...(stats.isFile() ? [mtimeMs] : [])].join(" ");
    });
  return (await Promise.all(found)).sort();
}
