import "reflect-metadata";
import { createPrivateKey, createPublicKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { mkdir } from "node:fs/promises";
import * as x509 from "@peculiar/x509";
import { layout } from "./home.ts";
import { readIfThere, writePrivate } from "./private-file.ts";
import { type ServiceName, serviceNames } from "./process-table.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const day = 24 * 3_600_000;
const lifetime = { ca: 3650 * day, leaf: 90 * day };
/** Something is renewed when so much or less of its life is left. */
const margin = { ca: 180 * day, leaf: 30 * day };

export interface Certificates {
  /** PEM of the CA's certificate. */
  ca: string;
  caFile: string;
  /** Services whose certificate was made now: a running server must load it. */
  renewed: ServiceName[];
}

/**
 * Makes sure that the local CA and a certificate for each service (127.0.0.1, localhost) are there and stay valid
 * for a while. Key and certificate share one file (mode 600), so that no crash can part them.
 * @param now Milliseconds since 1970; for tests.
 */
export async function ensureCertificates(home: string, now = Date.now()): Promise<Certificates> {
  const { ca, caFile } = await ensureCa(home, now);
  const renewed: ServiceName[] = [];
  for (const service of serviceNames) if (await ensureLeaf(home, service, { now })) renewed.push(service);
  return { ca, caFile, renewed };
}

/** Makes sure that the local CA is there and stays valid for a while. Returns its certificate, not its key. */
export async function ensureCa(home: string, now = Date.now()): Promise<{ ca: string; caFile: string }> {
  const { tls } = layout(home);
  await mkdir(tls.folder, { recursive: true, mode: 0o700 });
  let ca = await readPair(tls.caWithKey);
  if (ca === undefined || !lasts(ca.certificate, now + margin.ca) || !ca.certificate.ca) {
    await writePrivate(tls.caWithKey, await makeCa(now));
    ca = await readPair(tls.caWithKey);
  }
  if (ca === undefined) throw new Error(`${tls.caWithKey} cannot be read right after it was written.`);
  const caText = `${ca.certificate.toString().trim()}\n`;
  if ((await readIfThere(tls.ca)) !== caText) await writePrivate(tls.ca, caText);
  return { ca: caText, caFile: tls.ca };
}

/**
 * Makes sure that there is a certificate of that name for 127.0.0.1 and localhost, signed by the local CA, that
 * stays valid for a while. It serves one use only, so that no server's key opens what is kept for a client.
 * Returns whether it was made now.
 */
export async function ensureLeaf(
  home: string,
  name: string,
  { use = "server", now = Date.now() }: { use?: "server" | "client"; now?: number } = {},
): Promise<boolean> {
  const { tls } = layout(home);
  const ca = await readPair(tls.caWithKey);
  if (ca === undefined) throw new Error(`${tls.caWithKey} holds no CA. Make it with ensureCa first.`);
  const leaf = await readPair(tls.leaf(name));
  if (leaf?.certificate.verify(ca.certificate.publicKey) && lasts(leaf.certificate, now + margin.leaf)) {
    return false;
  }
  await writePrivate(tls.leaf(name), await makeLeaf(name, use, ca.text, now));
  return true;
}

/** A key with its certificate, where the file holds both and they belong together. */
async function readPair(path: string): Promise<{ text: string; certificate: X509Certificate } | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const certificate = new X509Certificate(text);
    const key = createPublicKey(createPrivateKey(text)).export({ type: "spki", format: "der" });
    return certificate.publicKey.export({ type: "spki", format: "der" }).equals(key)
      ? { text, certificate }
      : undefined;
  } catch {
    return undefined;
  }
}

function lasts(certificate: X509Certificate, until: number): boolean {
  return certificate.validToDate.getTime() > until;
}

async function makeCa(now: number): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const name = `CN=Keyplane local CA ${randomBytes(4).toString("hex")}`;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name,
    // A clock that is a little behind must not refuse what was made now.
    notBefore: new Date(now - day),
    notAfter: new Date(now + lifetime.ca),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return pemOf(keys.privateKey, certificate);
}

async function makeLeaf(name: string, use: "server" | "client", ca: string, now: number): Promise<string> {
  const issuer = new x509.X509Certificate(new X509Certificate(ca).toString());
  const signingKey = await webcrypto.subtle.importKey(
    "pkcs8",
    createPrivateKey(ca).export({ type: "pkcs8", format: "der" }),
    algorithm,
    false,
    ["sign"],
  );
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=Keyplane local ${name}`,
    issuer: issuer.subject,
    notBefore: new Date(now - day),
    notAfter: new Date(now + lifetime.leaf),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        use === "server" ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension([
        { type: "ip", value: "127.0.0.1" },
        { type: "dns", value: "localhost" },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return pemOf(keys.privateKey, certificate);
}

async function pemOf(key: webcrypto.CryptoKey, certificate: x509.X509Certificate): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", key);
  return `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n${certificate.toString("pem")}\n`;
}

/** RFC 5280, 4.1.2.2: positive, at most 20 octets. */
function serial(): string {
  return `01${randomBytes(15).toString("hex")}`;
}
