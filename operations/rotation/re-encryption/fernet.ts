import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";

const version = 0x80;
/** Version, time, initialisation vector. */
const header = 1 + 8 + 16;
const mac = 32;
const block = 16;

/** A text that is no Fernet key. Never says which text. */
export class FernetKeyError extends Error {
  override name = "FernetKeyError";
}

/** What a token holds, and when it was made, in seconds since 1970: whoever sets a time to live measures from there. */
export interface Opened {
  plaintext: Buffer;
  time: bigint;
}

/**
 * A Fernet key: AES-128-CBC, then HMAC-SHA256 over everything (https://github.com/fernet/spec/blob/master/Spec.md).
 * Written here because the npm packages of that name rest on crypto-js and cannot keep a token's time.
 */
export class FernetKey {
  readonly #signing: KeyObject;
  readonly #encryption: KeyObject;

  /**
   * @param text 32 bytes in URL-safe base64
   * @throws FernetKeyError
   */
  constructor(text: string) {
    const bytes = fromBase64(text);
    if (bytes?.length !== 32) {
      throw new FernetKeyError("a Fernet key is 32 bytes in URL-safe base64, 44 characters; this one is not");
    }
    this.#signing = createSecretKey(bytes.subarray(0, 16));
    this.#encryption = createSecretKey(bytes.subarray(16));
  }

  /** Whether a token was made with this key and not changed since. Does not decrypt. */
  made(token: string): boolean {
    const bytes = fromBase64(token);
    return bytes !== undefined && this.#signed(bytes);
  }

  /** Undefined for whatever this key did not make. A token's age is not judged. */
  open(token: string): Opened | undefined {
    const bytes = fromBase64(token);
    if (bytes === undefined || !this.#signed(bytes)) return undefined;
    const decipher = createDecipheriv("aes-128-cbc", this.#encryption, bytes.subarray(9, header));
    try {
      const first = decipher.update(bytes.subarray(header, -mac));
      return { plaintext: Buffer.concat([first, decipher.final()]), time: bytes.readBigUInt64BE(1) };
    } catch {
      // Signed, and yet its padding is wrong: no Fernet implementation opens it.
      return undefined;
    }
  }

  /** A new token. `iv` is given by tests of published vectors alone. */
  seal({ plaintext, time }: Opened, iv: Buffer = vectors.next()): string {
    const cipher = createCipheriv("aes-128-cbc", this.#encryption, iv);
    const head = Buffer.alloc(9);
    head[0] = version;
    head.writeBigUInt64BE(time, 1);
    const body = Buffer.concat([head, iv, cipher.update(plaintext), cipher.final()]);
    return toBase64(Buffer.concat([body, this.#sign(body)]));
  }

  #signed(bytes: Buffer): boolean {
    const encrypted = bytes.length - header - mac;
    if (bytes[0] !== version || encrypted < block || encrypted % block !== 0) return false;
    return timingSafeEqual(this.#sign(bytes.subarray(0, -mac)), bytes.subarray(-mac));
  }

  #sign(bytes: Buffer): Buffer {
    return createHmac("sha256", this.#signing).update(bytes).digest();
  }
}

/** Initialisation vectors, each used once. Asking the system for many at a time is what keeps sealing fast. */
class Vectors {
  #bytes = Buffer.alloc(0);
  #at = 0;

  next(): Buffer {
    if (this.#at === this.#bytes.length) {
      this.#bytes = randomBytes(16 * 1024);
      this.#at = 0;
    }
    this.#at += 16;
    return this.#bytes.subarray(this.#at - 16, this.#at);
  }
}

const vectors = new Vectors();

/** The bytes of padded URL-safe base64 (RFC 4648, section 5); undefined for any other text. */
function fromBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9_-]*={0,2}$/.test(text)) return undefined;
  return Buffer.from(text, "base64url");
}

function toBase64(bytes: Buffer): string {
  const text = bytes.toString("base64url");
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}
