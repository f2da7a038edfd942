import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { layout } from "./home.ts";
import { readIfThere, writePrivate } from "./private-file.ts";

/** Services that speak TLS: the AWS emulator's clients could not be told of a CA. */
const withTls = ["vault", "postgres", "issuer"] as const;

const day = 24 * 3_600_000;
/** Something is renewed when so much or less of its life is left. */
const margin = { ca: 180 * day, leaf: 30 * day };

export interface Certificates {
  /** PEM of the CA's certificate. */
  ca: string;
  caFile: string;
  /** Services whose certificate was made now: a running server must load it. */
  renewed: (typeof withTls)[number][];
}

/**
 * Makes sure that the local CA and a certificate for each service (127.0.0.1, localhost) are there and stay valid
 * for a while. Key and certificate share one file (mode 600), so that no crash can part them.
 * @param now Milliseconds since 1970; for tests.
 */
export async function ensureCertificates(home: string, now = Date.now()): Promise<Certificates> {
  const { ca, caFile } = await ensureCa(home, now);
  const renewed: Certificates["renewed"] = [];
  for (const service of withTls) if (await ensureLeaf(home, service, { now })) renewed.push(service);
  return { ca, caFile, renewed };
}

/** Makes sure that the local CA is there and stays valid for a while. Returns its certificate, not its key. */
export async function ensureCa(home: string, now = Date.now()): Promise<{ ca: string; caFile: string }> {
  const { tls } = layout(home);
  await mkdir(tls.folder, { recursive: true, mode: 0o700 });
  let ca = await readPair(tls.caWithKey);
  if (ca === undefined || !lasts(ca.certificate, now + margin.ca) || !ca.certificate.ca) {
    const { makeCa } = await import("./certificate-authority.ts");
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
  const { makeLeaf } = await import("./certificate-authority.ts");
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
