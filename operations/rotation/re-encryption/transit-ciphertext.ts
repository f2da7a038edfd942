import type { Vault } from "../../../clients/vault.ts";
import type { EncryptionKey, Model } from "../../../model/model.ts";
import { type Census, type Counted, census } from "./census.ts";
import { eachColumn, type Surroundings } from "./columns.ts";
import type { Judged, Recipher } from "./sweep.ts";

/** Vault's own form; what follows the version is only Vault's to read. */
const form = /^vault:v([1-9][0-9]{0,8}):/;
/** Characters that the longest version needs. */
const prefix = "vault:v999999999:".length;

/** Ciphertexts of one request, and characters of them: Vault takes 32 MiB. */
const most = { items: 500, characters: 4 * 1024 * 1024 };

/** The key version that a transit ciphertext names; undefined for any other text. */
export function versionOf(ciphertext: string): number | undefined {
  const digits = form.exec(ciphertext)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * Lets Vault put ciphertext of versions before `version` under the latest one (`rewrap`): no plaintext and no key leaves
 * Vault. What Vault cannot decrypt stays as it is.
 */
export function rewrapping(
  { vault, model }: { vault: Vault; model: Pick<Model, "vault"> },
  { key }: Pick<EncryptionKey, "key">,
  version: number,
): Recipher {
  return async (ciphertexts) => {
    const judged = ciphertexts.map((ciphertext): Judged => {
      const own = versionOf(ciphertext);
      return { under: own === undefined || own < version ? "neither" : "new" };
    });
    const isOld = (ciphertext: string) => (versionOf(ciphertext) ?? version) < version;
    const old = ciphertexts.flatMap((ciphertext, index) =>
      isOld(ciphertext) ? [{ ciphertext, index }] : [],
    );
    for (const batch of batches(old)) {
      const { data } = await vault.write<{ batch_results: { ciphertext?: string; error?: string }[] }>(
        `${model.vault.mounts.transit}/rewrap/${key}`,
        { batch_input: batch.map(({ ciphertext }) => ({ ciphertext })) },
      );
      for (const [at, { index }] of batch.entries()) {
        const anew = data.batch_results[at]?.ciphertext;
        if (anew !== undefined) judged[index] = { under: "old", anew };
      }
    }
    return judged;
  };
}

function* batches<T extends { ciphertext: string }>(all: T[]): Generator<T[]> {
  let batch: T[] = [];
  let characters = 0;
  for (const one of all) {
    if (
      batch.length === most.items ||
      (batch.length > 0 && characters + one.ciphertext.length > most.characters)
    ) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(one);
    characters += one.ciphertext.length;
  }
  if (batch.length > 0) yield batch;
}

/** How many rows of each column are under which version of a transit key (R62): `v3`; `none` is no transit ciphertext. */
export async function transitCensus(
  surroundings: Pick<Surroundings, "model" | "reach" | "signal"> & { seen?: (counted: Counted) => void },
  { stored }: Pick<EncryptionKey, "stored">,
): Promise<Census[]> {
  const found: Census[] = [];
  const judge = (start: string) => {
    const version = versionOf(start);
    return version === undefined ? "none" : `v${version}`;
  };
  const { signal, seen } = surroundings;
  await eachColumn(surroundings, stored, async (column, place) => {
    const rows = await census(column, judge, { signal, length: prefix, ...(seen !== undefined && { seen }) });
    found.push({ column: place, rows });
  });
  return found;
}

/** Rows under versions before one. */
export function rowsBefore(censuses: Census[], version: number): number {
  let count = 0;
  for (const { rows } of censuses) {
    for (const [name, rowsOfIt] of Object.entries(rows)) {
      if (name !== "none" && Number(name.slice(1)) < version) count += rowsOfIt;
    }
  }
  return count;
}
