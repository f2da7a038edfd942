import type { Vault } from "../../../clients/vault.ts";
import type { RotationModel } from "../../../model/model.ts";
import { ConflictError, readFields, stateOf, writeFields } from "../../values/kv.ts";
import { type Position, start } from "./sweep.ts";

/** Of which rotation and direction these positions are, and where each column stands, by its name. */
interface Positions {
  rotation: string;
  columns: Record<string, Position>;
}

/**
 * Where re-encryption stands, beside the rotation's journal, so that any runner goes on there. It only saves work: without
 * it the next pass finds every row that is left.
 */
export class ProgressRecord {
  readonly #vault: Vault;
  readonly #mount: string;
  readonly #path: string;
  #record: Positions;
  #version: number;

  private constructor(vault: Vault, mount: string, path: string, record: Positions, version: number) {
    this.#vault = vault;
    this.#mount = mount;
    this.#path = path;
    this.#record = record;
    this.#version = version;
  }

  /** @param journal path of the rotation's journal */
  static async read(
    { vault, model }: { vault: Vault; model: RotationModel },
    journal: string,
    rotation: string,
  ): Promise<ProgressRecord> {
    const mount = model.vault.mounts.kv;
    const path = `${journal}/re-encryption`;
    const { version } = await stateOf(vault, mount, path);
    const text = (await readFields(vault, mount, path))?.record;
    const found = text === undefined ? undefined : (JSON.parse(text) as Positions);
    const record = found?.rotation === rotation ? found : { rotation, columns: {} };
    return new ProgressRecord(vault, mount, path, record, version);
  }

  at(column: string): Position {
    return this.#record.columns[column] ?? start;
  }

  set(column: string, position: Position): void {
    this.#record.columns[column] = position;
  }

  async clear(): Promise<void> {
    this.#record.columns = {};
    await this.write();
  }

  /** Another runner that wrote it meanwhile wins: it holds the lease, or it will see that it does not. */
  async write(): Promise<void> {
    const fields = { record: JSON.stringify(this.#record) };
    try {
      this.#version = await writeFields(this.#vault, this.#mount, this.#path, {
        fields,
        after: this.#version,
      });
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      this.#version = (await stateOf(this.#vault, this.#mount, this.#path)).version;
    }
  }
}
