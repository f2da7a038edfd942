import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { ensureCertificates } from "../../../local/services/certificates.ts";
import { layout, prepareHome } from "../../../local/services/home.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const day = 24 * 3_600_000;

async function home(t: TestContext): Promise<string> {
  return prepareHome(join(await temporaryFolder(t), "home"));
}

async function leafOf(root: string, service = "vault"): Promise<X509Certificate> {
  return new X509Certificate(await readFile(layout(root).tls.leaf(service)));
}

test("each service gets a certificate of our CA for 127.0.0.1 and localhost, for 90 days", async (t) => {
  const root = await home(t);
  const { ca, renewed } = await ensureCertificates(root, Date.UTC(2026, 0, 1));
  assert.deepEqual(renewed, ["vault", "postgres", "issuer"]);
  const leaf = await leafOf(root);
  assert.equal(leaf.verify(new X509Certificate(ca).publicKey), true);
  assert.deepEqual(
    [leaf.checkIP("127.0.0.1"), leaf.checkHost("localhost"), leaf.checkIP("127.0.0.2"), leaf.ca],
    ["127.0.0.1", "localhost", undefined, false],
  );
  assert.equal(leaf.validToDate.getTime(), Date.UTC(2026, 0, 1) + 90 * day);
  assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
});

test("the CA may sign servers only, no further CA", async (t) => {
  const { ca } = await ensureCertificates(await home(t));
  const certificate = new X509Certificate(ca);
  assert.equal(certificate.ca, true);
  assert.match(Buffer.from(certificate.raw).toString("hex"), /30060101ff020100/, "path length 0");
});

test("everything in the folder is for its owner only (R45)", async (t) => {
  const { tls } = layout(await home(t));
  await ensureCertificates(join(tls.folder, ".."));
  assert.equal((await stat(tls.folder)).mode & 0o777, 0o700);
  const names = await readdir(tls.folder);
  assert.deepEqual(names.sort(), ["ca-with-key.pem", "ca.pem", "issuer.pem", "postgres.pem", "vault.pem"]);
  for (const name of names) assert.equal((await stat(join(tls.folder, name))).mode & 0o777, 0o600, name);
});

test("the CA's certificate is handed out without its key", async (t) => {
  const { ca, caFile } = await ensureCertificates(await home(t));
  assert.equal(await readFile(caFile, "utf8"), ca);
  assert.doesNotMatch(ca, /PRIVATE KEY/);
});

test("a second start changes no certificate", async (t) => {
  const root = await home(t);
  const first = await ensureCertificates(root);
  const serial = (await leafOf(root)).serialNumber;
  const second = await ensureCertificates(root);
  assert.deepEqual(second, { ...first, renewed: [] });
  assert.equal((await leafOf(root)).serialNumber, serial);
});

test("a certificate is renewed in its last 30 days, under the same CA", async (t) => {
  const root = await home(t);
  const now = Date.UTC(2026, 0, 1);
  const first = await ensureCertificates(root, now);
  assert.deepEqual((await ensureCertificates(root, now + 59 * day)).renewed, []);
  const later = await ensureCertificates(root, now + 61 * day);
  assert.deepEqual(later.renewed, ["vault", "postgres", "issuer"]);
  assert.equal(later.ca, first.ca);
  assert.equal((await leafOf(root)).validToDate.getTime(), now + 151 * day);
});

test("a CA near its end is replaced, and every certificate with it", async (t) => {
  const root = await home(t);
  const now = Date.UTC(2026, 0, 1);
  const first = await ensureCertificates(root, now);
  const later = await ensureCertificates(root, now + 3500 * day);
  assert.notEqual(later.ca, first.ca);
  assert.deepEqual(later.renewed, ["vault", "postgres", "issuer"]);
  assert.equal((await leafOf(root)).verify(new X509Certificate(later.ca).publicKey), true);
});

for (const [damage, make] of [
  ["is empty", async () => ""],
  ["was cut short", async (text: string) => text.slice(0, 200)],
  [
    "holds another certificate's key",
    async (text: string, other: string) =>
      `${/-+BEGIN PRIVATE[\s\S]*END PRIVATE KEY-+/.exec(other)?.[0]}\n${/-+BEGIN CERT[\s\S]*/.exec(text)?.[0]}`,
  ],
] as const) {
  test(`a certificate file that ${damage} is made anew`, async (t) => {
    const root = await home(t);
    await ensureCertificates(root);
    const { tls } = layout(root);
    const damaged = await make(
      await readFile(tls.leaf("vault"), "utf8"),
      await readFile(tls.leaf("issuer"), "utf8"),
    );
    await writeFile(tls.leaf("vault"), damaged);
    assert.deepEqual((await ensureCertificates(root)).renewed, ["vault"]);
  });
}
