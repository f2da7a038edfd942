import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Vault } from "../clients/vault.ts";
import type { Model } from "../model/model.ts";
import { AuditTrail } from "../operations/audit/trail.ts";
import { type Gate, stopped } from "../operations/gates/gate.ts";
import { liveGate, type Probe, probe, type WidenedToken } from "../operations/gates/live.ts";
import { Visitor } from "../operations/gates/visitor.ts";
import { packOf } from "../policies/pack.ts";
import { serve } from "../policies/serve.ts";
import type { Engine, OpenedStack } from "./engine.ts";
import { loginAs } from "./identity.ts";
import { auditFiles, gitHubClaims, type LocalServices, signGitHubToken } from "./services/index.ts";

/** The policy pack, as the engine starts it. */
export const pack = join(import.meta.dirname, "..", "policies", "analyzer");

/** A policy pack that runs in this process: the file names it to the engine, which starts it like any other. */
export interface AttachedPack extends Disposable {
  file: string;
}

/**
 * Serves the pack to every run of an `up`, three of them at least: each would start a process of its own, which takes
 * longer than judging. The engine attaches by the port that the file says.
 * @param catalogue whose exceptions it takes
 */
export async function attachPack(home: string, catalogue: string): Promise<AttachedPack> {
  const { port, close } = await serve(packOf(catalogue));
  const file = join(home, "pulumi", "bin", "policies");
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, `#!/bin/sh\necho ${port}\nexec cat >/dev/null\n`, { mode: 0o700 });
  return { file, [Symbol.dispose]: close };
}

/**
 * The second gate on every stack that was opened.
 * @param made what this run has made, which an error names
 * @throws GateError for what the pack does not let pass, and where it did not judge everything
 */
export async function judgeStates(
  engine: Engine,
  opened: readonly OpenedStack[],
  made: ReadonlyMap<string, string[]>,
): Promise<Gate[]> {
  const gates: Gate[] = [];
  for (const each of opened) {
    const gate = await engine.judge(each);
    const { name } = each.stack;
    // Nothing is unknown in a state: what is still pending there has not passed.
    if (
      gate.judged === 0 ||
      gate.judged !== gate.of ||
      gate.findings.some(({ verdict }) => verdict !== "excepted")
    ) {
      throw stopped(name, gate, made.get(name) ?? []);
    }
    gates.push(gate);
  }
  return gates;
}

/**
 * The third gate on the local stack.
 * @param thorough also makes a person for a moment who tries to log in without a second factor; otherwise nothing is
 *   written, and what demands the second factor is read. A person whom a killed run has left goes in any case
 */
export async function probeLocal(
  services: LocalServices,
  model: Model,
  vault: Vault,
  { thorough }: { thorough: boolean },
): Promise<{ gate: Gate; probes: Probe[] }> {
  const trail = await AuditTrail.follow(auditFiles(services));
  const session = await loginAs(services, model, vault, "drift");
  const left = await Visitor.left(session.vault);
  const hosted = thorough || left.length > 0;
  const deployer = hosted ? await loginAs(services, model, vault, "deploy") : undefined;
  const enroller = hosted ? await loginAs(services, model, vault, "enrol") : undefined;
  const hosts = deployer && enroller && { deployer: deployer.vault, enroller: enroller.vault };
  try {
    if (hosts !== undefined) {
      for (const name of left) await Visitor.dismiss(name, { ...hosts, mount: model.vault.auth.human });
    }
    const probes = await probe({
      model,
      vault,
      session,
      widened: widenedTokens(services, model),
      audit: (answer, who) => trail.of(answer, who),
      ...(thorough && hosts && { hosts }),
    });
    return { gate: liveGate(probes), probes };
  } finally {
    await session.end();
    await deployer?.end();
    await enroller?.end();
  }
}

/** Tokens of the local issuer that are right but for one claim. */
function widenedTokens({ home }: LocalServices, { platform, github }: Model): WidenedToken[] {
  const claims = gitHubClaims({
    issuer: github.issuer,
    audience: github.audience,
    repository: platform.repository.name,
    repositoryId: platform.repository.id,
    ownerId: platform.repository.ownerId,
    ref: `refs/heads/${github.branches[0]}`,
    environment: github.environment,
    workflow: "deploy.yml",
  });
  const changes: [what: string, change: Record<string, string>][] = [
    ["another branch's token", { ref: "refs/heads/widened" }],
    ["a pull request's token", { event_name: "pull_request_target" }],
    ["another repository's token", { repository_id: String(platform.repository.id + 1) }],
    ["another environment's token", { environment: `${github.environment}-widened` }],
    ["a token for another audience", { aud: "sts.amazonaws.com" }],
  ];
  return changes.map(([what, change]) => ({
    what,
    role: "keyplane.deploy",
    sign: () => signGitHubToken(home, { ...claims, ...change }),
  }));
}
