import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rename, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { VaultError } from "../../../clients/vault.ts";
import { ProcessTable, signalProcess } from "../../../local/services/process-table.ts";
import type { Model } from "../../../model/model.ts";
import type { TestStack } from "../stack.ts";

/** What these tests look at in a line of an audit file. */
export interface AuditLine {
  type: "request" | "response";
  error?: string;
  auth?: { metadata?: Record<string, string> };
  request: { id: string; path: string; operation: string };
}

/** One of the stack's audit files. */
export class AuditLog {
  readonly name: string;
  readonly path: string;

  constructor(name: string, path: string) {
    this.name = name;
    this.path = path;
  }

  /** The complete lines from a byte on. */
  async lines(from = 0): Promise<AuditLine[]> {
    const text = (await readFile(this.path)).subarray(from).toString("utf8");
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as AuditLine);
  }

  async size(): Promise<number> {
    return (await stat(this.path)).size;
  }

  /** Whether a request and its answer are both there; asks again for two seconds. */
  async has(requestId: string): Promise<boolean> {
    for (const end = Date.now() + 2000; ; await wait(25)) {
      const types = (await this.lines())
        .filter(({ request }) => request.id === requestId)
        .map(({ type }) => type);
      if (types.includes("request") && types.includes("response")) return true;
      if (Date.now() >= end) return false;
    }
  }

  /** Puts a folder where the file was, as an operator's mistake or a full disk would make it unwritable. */
  async break(): Promise<void> {
    await rename(this.path, `${this.path}.away`);
    await mkdir(this.path);
  }

  /** Takes the folder away again; Vault makes a new file. */
  async heal(): Promise<void> {
    await rmdir(this.path);
  }
}

/** The audit files of a stack, as its model declares them. */
export function auditLogs(model: Model): AuditLog[] {
  return model.vault.audit.map(({ name, type, options }) => {
    const path = options.file_path;
    assert.ok(type === "file" && path !== undefined);
    return new AuditLog(name, path);
  });
}

/** Tells Vault to open its audit files again, and waits until it has. */
export async function reopenAudit(stack: TestStack, opened: () => Promise<boolean>): Promise<void> {
  const process = await (await ProcessTable.read(stack.home)).running("vault");
  assert.ok(process !== undefined && (await signalProcess(process, "SIGHUP")));
  for (const end = Date.now() + 15_000; !(await opened()); await wait(100)) {
    assert.ok(Date.now() < end, "Vault did not open its audit files again within 15 s");
  }
}

/** The id under which an audited request was answered; undefined where it was not. */
export async function answeredId(request: Promise<{ request_id: string }>): Promise<string | undefined> {
  try {
    return (await request).request_id;
  } catch (error) {
    if (error instanceof VaultError) return undefined;
    throw error;
  }
}

/** The content of every file in the folders of the audit files, also of those that were moved away. */
export async function auditTexts(model: Model): Promise<{ path: string; text: string }[]> {
  const folders = new Set(auditLogs(model).map(({ path }) => dirname(path)));
  const files = await Promise.all(
    [...folders].map(async (folder) => (await readdir(folder)).map((name) => join(folder, name))),
  );
  return Promise.all(files.flat().map(async (path) => ({ path, text: await readFile(path, "utf8") })));
}
