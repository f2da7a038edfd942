import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Agent, request } from "undici";
import type { Report } from "../../progress.ts";
import { waitUntilHealthy } from "../health.ts";
import { layout } from "../home.ts";
import { readIfThere, writePrivate } from "../private-file.ts";
import { type Launch, lastArguments, type ProcessTable, sizeOf, stopProcess } from "../process-table.ts";
import { ensureIssuerKey } from "./token.ts";

export function issuerUrl(port: number): string {
  return `https://127.0.0.1:${port}`;
}

function issuerLaunch(home: string, port: number): Launch {
  const { logs } = layout(home);
  return {
    name: "issuer",
    command: [process.execPath, join(import.meta.dirname, "server.ts"), ...lastArguments(home, "issuer")],
    port,
    log: join(logs, "issuer.log"),
  };
}

/** Starts the OIDC issuer where it does not run. */
export async function startIssuer(start: {
  home: string;
  port: number;
  ca: string;
  table: ProcessTable;
  report: Report;
}): Promise<void> {
  const { home, port, ca, table, report } = start;
  const { issuer, tls } = layout(home);
  await mkdir(issuer.folder, { recursive: true, mode: 0o700 });
  const jwk = await ensureIssuerKey(home);
  const settings = `${JSON.stringify({ url: issuerUrl(port), port, certificate: tls.leaf("issuer"), jwk }, undefined, 2)}\n`;
  const launch = issuerLaunch(home, port);
  let running = await table.find("issuer");
  if (running !== undefined && (await readIfThere(issuer.settings)) !== settings) {
    // It serves another key or port than it should by now.
    await stopProcess(running, "SIGTERM");
    running = undefined;
  }
  const unchanged = running !== undefined;
  const logStart = running === undefined ? await sizeOf(launch.log) : 0;
  if (running === undefined) {
    await writePrivate(issuer.settings, settings);
    report({ subject: "issuer", state: "started", text: `starting on ${issuerUrl(port)}` });
    running = await table.launch(launch);
  }
  await table.record("issuer", running);
  await waitUntilHealthy({
    name: "issuer",
    process: running,
    logStart,
    probe: () => issuerProblem(issuerUrl(port), ca),
  });
  report({
    subject: "issuer",
    state: unchanged ? "unchanged" : "done",
    text: `running on ${issuerUrl(port)}`,
  });
}

/** What keeps the issuer from serving; undefined when it serves. */
export async function issuerProblem(url: string, ca: string): Promise<string | undefined> {
  const agent = new Agent({ connect: { ca } });
  try {
    const { statusCode, body } = await request(`${url}/.well-known/openid-configuration`, {
      dispatcher: agent,
      signal: AbortSignal.timeout(5_000),
    });
    const { issuer } = (await body.json()) as { issuer?: string };
    if (statusCode !== 200) return `it answers ${statusCode}`;
    return issuer === url ? undefined : `it answers for ${issuer}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await agent.close();
  }
}
