import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Model } from "../model/model.ts";
import type { Gate } from "../operations/gates/gate.ts";
import type { WidenedToken } from "../operations/gates/live.ts";
import type { PlatformRole } from "../operations/login.ts";
import type { Check } from "../policies/check.ts";
import type { Invocation } from "./command.ts";
import { UsageError } from "./exit.ts";

/**
 * The first gate, as the engine's own previews of every stack counted it.
 * @throws GateEvidenceError for a stack that was not judged
 */
export async function previewedGate(
  model: Model,
  folder: string,
  { commit, declared }: { commit: string; declared: number },
): Promise<Gate> {
  const [{ recordedPreview }, { partsOf }] = await Promise.all([
    import("../operations/gates/preview-record.ts"),
    import("../model/parts.ts"),
  ]);
  const stacks = partsOf(model)
    .flat()
    .map(({ stack }) => stack);
  const { environment } = model;
  return recordedPreview({ environment, commit, stacks, declared }, (stack) =>
    readFile(join(folder, `${stack}.json`), "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return undefined;
    }),
  );
}

/** The first gate, as the check in this process made it: every rule over every resource that the program declares. */
export function previewGate({ resources, findings }: Check): Gate {
  return {
    gate: "preview",
    judged: resources,
    of: resources,
    findings: findings.map(({ verdict, rule, message, urn }) => ({
      verdict,
      rule: rule.name,
      message,
      ...(urn !== undefined && { urn }),
    })),
  };
}

/**
 * The second gate: the state of every stack of the environment, by the engine's own analysis. Elsewhere than on the
 * local stack by the `pulumi` on PATH, with whatever login it has.
 * @throws GateError, ToolchainError
 */
export async function stateGate(invocation: Invocation, model: Model): Promise<Gate> {
  const [{ joined }, { partsOf }, { pack }] = await Promise.all([
    import("../operations/gates/gate.ts"),
    import("../model/parts.ts"),
    import("../local/gates.ts"),
  ]);
  const catalogue = resolve(invocation.catalogue);
  const names = partsOf(model)
    .flat()
    .map(({ stack }) => stack);
  const gates: Gate[] = [];
  if (model.environment === "local") {
    const [{ Engine }, { findTool }] = await Promise.all([
      import("../local/engine.ts"),
      import("../local/toolchain/index.ts"),
    ]);
    const engine = await Engine.open({
      home: invocation.home,
      pulumi: await findTool("pulumi", invocation.report),
      environment: {},
      policies: { pack, catalogue },
    });
    for (const name of names) gates.push(await engine.judge(await engine.stack(name, async () => {})));
    return joined("state", gates);
  }
  const [{ pulumiIn }, { judgeState, resourcesOfExport }] = await Promise.all([
    import("../operations/gates/pulumi.ts"),
    import("../operations/gates/state.ts"),
  ]);
  const run = pulumiIn(resolve(import.meta.dirname, ".."), "pulumi", { KEYPLANE_CATALOGUE: catalogue });
  for (const stack of names) {
    gates.push(await judgeState({ run, stack, pack, resources: await resourcesOfExport(run, stack) }));
  }
  return joined("state", gates);
}

/**
 * The third gate: probes on the live system, logged in as one of the platform's roles.
 * @throws LoginError, VaultError, VaultUnreachableError, ServicesDownError
 */
export async function liveTest(
  invocation: Invocation,
  role: PlatformRole,
  audit: { files: readonly string[]; commands: readonly string[] },
): Promise<{ gate: Gate; lines: string[] }> {
  const [{ liveGate, probe }, { modelOf, withSession, withVault }] = await Promise.all([
    import("../operations/gates/live.ts"),
    import("./session.ts"),
  ]);
  const told = (probes: Awaited<ReturnType<typeof probe>>) => ({
    gate: liveGate(probes),
    lines: probes.map(
      ({ holds, how, promise, seen }) =>
        `${!holds ? "✗" : how === "read" ? "?" : "✓"} ${promise}\n    ${seen}`,
    ),
  });
  if (invocation.environment === "local") {
    const [{ connectServices }, { probeLocal }] = await Promise.all([
      import("../local/services/index.ts"),
      import("../local/gates.ts"),
    ]);
    const services = await connectServices(invocation.home);
    return withVault(invocation, async (vault, { model }) =>
      told((await probeLocal(services, model, vault, { thorough: true })).probes),
    );
  }
  const [{ AuditTrail }, { AuditCommand }] = await Promise.all([
    import("../operations/audit/trail.ts"),
    import("../operations/audit/command.ts"),
  ]);
  const given = audit.files.length + audit.commands.length;
  const { audit: devices } = (await modelOf(invocation)).vault;
  if (given > 0 && given !== devices.length) {
    const names = devices.map(({ name }) => name).join(", ");
    throw new UsageError(
      `${invocation.environment} has ${devices.length} audit devices (${names}), and lines of ${given} are given: write --audit-log or --audit-command once for each`,
    );
  }
  const collected = audit.commands.map((command) => new AuditCommand(command));
  const trail =
    audit.files.length + collected.length > 0 ? await AuditTrail.follow(audit.files, collected) : undefined;
  return withSession(invocation, role, async (session, model) =>
    withVault(invocation, async (vault) =>
      told(
        await probe({
          model,
          vault,
          session,
          widened: await jobTokens(role),
          ...(trail !== undefined && { audit: (answer, who) => trail.of(answer, who) }),
        }),
      ),
    ),
  );

  /** What a job can ask of GitHub that it should get nowhere with: its own token at other roles, or for another audience. */
  async function jobTokens(own: PlatformRole): Promise<WidenedToken[]> {
    const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } = process.env;
    if (!url || !bearer) return [];
    const [{ gitHubToken }, { platformRoles }] = await Promise.all([
      import("../operations/login.ts"),
      import("../model/derive/platform.ts"),
    ]);
    const { github } = await modelOf(invocation);
    const others = platformRoles.filter((each) => each !== own);
    return [
      ...others.map((each) => ({
        what: `the token of ${own}.yml`,
        role: `keyplane.${each}`,
        sign: () => gitHubToken(url, bearer, github.audience),
      })),
      {
        what: "a token for another audience",
        role: `keyplane.${own}`,
        sign: () => gitHubToken(url, bearer, "sts.amazonaws.com"),
      },
    ];
  }
}
