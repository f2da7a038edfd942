/** Making certificates. Apart from checking them, because its library is loaded only when one has to be made. */
import "reflect-metadata";
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import * as x509 from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const day = 24 * 3_600_000;
const lifetime = { ca: 3650 * day, leaf: 90 * day };

/** A new CA: its key and its certificate in one PEM text. */
export async function makeCa(now: number): Promise<string> {
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

/** A key and a certificate for a service on 127.0.0.1 and localhost, in one PEM text. `ca` is what `makeCa` made. */
export async function makeLeaf(
  name: string,
  use: "server" | "client",
  ca: string,
  now: number,
): Promise<string> {
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
