import { z } from "zod";
import { Vault } from "../../clients/vault.ts";
import { ServiceError } from "./errors.ts";
import { holdServices, layout } from "./home.ts";
import { readIfThere, removeFile, writePrivate } from "./private-file.ts";

const schema = z.object({
  /** Base64; one share, threshold one. */
  unsealKeys: z.array(z.string()).min(1),
  /** Until the first update has revoked it. */
  rootToken: z.string().optional(),
});
export type VaultKeys = z.infer<typeof schema>;

/**
 * The stored keys; undefined only where the file is absent.
 * @throws ServiceError when the file is there but is not what was stored: it is never taken for absent.
 */
export async function readVaultKeys(home: string): Promise<VaultKeys | undefined> {
  const path = layout(home).vault.keys;
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new ServiceError(
      `${path} is not what keyplane stored there. Put it back from a copy; or, if Vault holds nothing that you ` +
        "need, `keyplane down --delete` removes everything and the next `keyplane up` starts afresh.",
    );
  }
}

/** Replaces the stored keys (mode 600, whole or not at all); without `rootToken` the one before is forgotten. */
export async function storeVaultKeys(home: string, keys: VaultKeys): Promise<void> {
  await writePrivate(layout(home).vault.keys, `${JSON.stringify(keys, undefined, 2)}\n`);
}

/** Marks that Vault is about to be initialised: until its keys are stored, nobody can have put anything into it. */
export async function startInitialising(home: string): Promise<void> {
  await writePrivate(
    layout(home).vault.initialising,
    `${JSON.stringify({ since: new Date().toISOString(), pid: process.pid })}\n`,
  );
}

/** Whether the mark of startInitialising is there: an initialisation began and was not finished. */
export async function wasInitialising(home: string): Promise<boolean> {
  return (await readIfThere(layout(home).vault.initialising)) !== undefined;
}

/** Takes the mark away; only after the keys were stored. Nothing to do where there is none. */
export async function finishInitialising(home: string): Promise<void> {
  if (await wasInitialising(home)) await removeFile(layout(home).vault.initialising);
}

/** Removes the root token from the stored keys; for after it has been revoked. */
export async function forgetRootToken(home: string): Promise<void> {
  using _held = await holdServices(home, { report: () => {} });
  const keys = await readVaultKeys(home);
  if (keys?.rootToken === undefined) return;
  await storeVaultKeys(home, { unsealKeys: keys.unsealKeys });
}

/**
 * Makes a new root token with the unseal key (sys/generate-root) and stores it beside the keys, so that it is revoked
 * even if we are killed: the way out when the deploy role cannot log in. Revoke it and `forgetRootToken` afterwards.
 */
export async function regenerateRoot({
  home,
  vault,
}: {
  home: string;
  vault: { address: string; ca: string };
}): Promise<string> {
  const keys = await readVaultKeys(home);
  if (keys === undefined) {
    throw new ServiceError(
      `A root token is made with the unseal key, and ${layout(home).vault.keys} is missing. Run \`keyplane up\`.`,
    );
  }
  using _held = await holdServices(home, { report: () => {} });
  const client = new Vault({ address: vault.address, ca: vault.ca });
  try {
    // An attempt that was cut short would refuse ours.
    await client.delete("sys/generate-root/attempt");
    const attempt = (await client.request("PUT", "sys/generate-root/attempt", {
      body: {},
    })) as unknown as { nonce: string; otp: string };
    let encoded = "";
    for (const key of keys.unsealKeys) {
      const answer = (await client.request("PUT", "sys/generate-root/update", {
        body: { key, nonce: attempt.nonce },
      })) as unknown as { complete: boolean; encoded_token: string };
      if (answer.complete) encoded = answer.encoded_token;
    }
    if (encoded === "")
      throw new ServiceError("Vault wants more unseal keys for a root token than are stored.");
    const rootToken = decodeRoot(encoded, attempt.otp);
    await storeVaultKeys(home, { unsealKeys: keys.unsealKeys, rootToken });
    return rootToken;
  } finally {
    await client.close();
  }
}

/** The token is sent XORed with the one-time password; https://developer.hashicorp.com/vault/api-docs/system/generate-root */
function decodeRoot(encoded: string, otp: string): string {
  const bytes = Buffer.from(encoded, "base64");
  const pad = Buffer.from(otp, "utf8");
  return Buffer.from(bytes.map((byte, index) => byte ^ (pad[index] ?? 0))).toString("utf8");
}
