import { type handleUnaryCall, Server, ServerCredentials, status } from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/analyzer_pb.js";
import plugins from "@pulumi/pulumi/proto/plugin_pb.js";
import empties from "google-protobuf/google/protobuf/empty_pb.js";
import type { Exception } from "../model/model.ts";
import { type Finding, judgeOne, judgeTogether } from "./judge.ts";
import { isStackRule, type Resource, type Rule, type Severity } from "./rule.ts";
import { propsOf } from "./wire.ts";

const { EnforcementLevel, PolicySeverity } = messages;

export interface Pack {
  name: string;
  version: string;
  description: string;
  rules: readonly Rule[];
  /** The exception that excuses a rule at a resource, if one holds; `stack` is the name in the URNs. */
  excuse(stack: string, rule: Rule, urn: string | undefined): Promise<Exception | undefined>;
}

/** What the pack calls its own word on how much it has judged; the gates hold it against the state. */
export const judgedName = "keyplane-judged";

export interface ServedPack {
  port: number;
  close(): void;
}

/**
 * Serves rules to the engine as an analyzer on a free port of 127.0.0.1; to several runs at once, each of a stack of its
 * own. Not by Pulumi's own SDK: that reads every resource anew for each rule, which costs two hundred times what the
 * judgement does, and lets a configuration file switch rules off. Here each resource is read once, and a pack that is
 * given a configuration is refused by the engine.
 */
export async function serve(pack: Pack): Promise<ServedPack> {
  const server = new Server({ "grpc.max_receive_message_length": 400 * 1024 * 1024 });
  server.addService(services.AnalyzerService, methods(pack));
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve({ port, close: () => server.forceShutdown() }) : reject(error),
    );
  });
}

interface Sent {
  getType(): string;
  getUrn(): string;
  getName(): string;
  getProperties: messages.AnalyzeRequest["getProperties"];
  getOptions: messages.AnalyzeRequest["getOptions"];
}

function resourceOf(sent: Sent): Resource {
  return {
    urn: sent.getUrn(),
    type: sent.getType(),
    name: sent.getName(),
    protect: sent.getOptions()?.getProtect() === true,
    ignoreChanges: sent.getOptions()?.getIgnorechangesList() ?? [],
    props: propsOf(sent.getProperties()),
  };
}

function methods(pack: Pack) {
  const ofOutputs = pack.rules.filter((rule) => !isStackRule(rule) && rule.judgesOutputs);
  /** URNs of what this run judged one by one, by stack. */
  const judged = new Map<string, Set<string>>();
  const judgedOf = (stack: string) => {
    const urns = judged.get(stack) ?? new Set();
    judged.set(stack, urns);
    return urns;
  };
  return {
    handshake: answer(() => new messages.AnalyzerHandshakeResponse()),
    configure: answer(() => new empties.Empty()),
    configureStack: answer((request: messages.AnalyzerStackConfigureRequest) => {
      judged.delete(request.getStack());
      return new messages.AnalyzerStackConfigureResponse();
    }),
    cancel: answer(() => new empties.Empty()),
    getPluginInfo: answer(() => new plugins.PluginInfo().setVersion(pack.version)),
    getAnalyzerInfo: answer(() => info(pack)),
    remediate: answer(() => new messages.RemediateResponse()),
    analyze: answer(async (request: messages.AnalyzeRequest) => {
      const resource = resourceOf(request);
      const findings = judgeOne(pack.rules, resource);
      judgedOf(stackOf(resource.urn)).add(resource.urn);
      return response(await Promise.all(findings.map((finding) => said(pack, finding, resource.urn))));
    }),
    analyzeStack: answer(async (request: messages.AnalyzeStackRequest) => {
      const resources = request.getResourcesList().map(resourceOf);
      const [first] = resources;
      const findings = first === undefined ? [] : judgeTogether(pack.rules, resources);
      // One by one the engine shows what was asked for, here what came of it; before an update that is not known yet.
      const answered = resources.flatMap((resource) => judgeOne(ofOutputs, resource));
      findings.push(...answered.filter(({ verdict }) => verdict === "violated"));
      const told = findings.map((finding) => said(pack, finding, first?.urn ?? ""));
      const stack = stackOf(first?.urn ?? "");
      const alone = resources.filter(({ urn }) => judgedOf(stack).has(urn)).length;
      // What is judged together ends a run: the next one has judged nothing yet.
      judged.delete(stack);
      return response([...(await Promise.all(told)), count(pack, alone, resources.length)]);
    }),
  };
}

/** A URN begins `urn:pulumi:<stack>::`. */
function stackOf(urn: string): string {
  return urn.split(":")[2] ?? "";
}

function answer<Request, Response>(
  respond: (request: Request) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
  return async ({ request }, callback) => {
    try {
      callback(null, await respond(request));
    } catch (error) {
      // The engine stops at it: a rule that throws lets nothing pass.
      callback({ code: status.INTERNAL, details: reason(error) });
    }
  };
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${reason(error.cause)}`;
}

function response(diagnostics: messages.AnalyzeDiagnostic[]): messages.AnalyzeResponse {
  return new messages.AnalyzeResponse().setDiagnosticsList(diagnostics);
}

/** A finding as the engine prints it: a violation stops the update, what is pending or excepted is shown beside it. */
async function said(pack: Pack, finding: Finding, of: string): Promise<messages.AnalyzeDiagnostic> {
  const { rule, verdict, message, urn } = finding;
  const exception = verdict === "violated" ? await pack.excuse(stackOf(of), rule, urn) : undefined;
  const diagnostic = new messages.AnalyzeDiagnostic()
    .setPolicyname(rule.name)
    .setPolicypackname(pack.name)
    .setPolicypackversion(pack.version)
    .setDescription(rule.sentence)
    .setSeverity(severities[rule.severity]);
  if (urn !== undefined) diagnostic.setUrn(urn);
  if (verdict === "pending") {
    return diagnostic.setEnforcementlevel(EnforcementLevel.ADVISORY).setMessage(`pending: ${message}`);
  }
  if (exception !== undefined) {
    const { name, owner, expires, reason: why } = exception;
    return diagnostic
      .setEnforcementlevel(EnforcementLevel.ADVISORY)
      .setMessage(`excepted: ${message} (exception "${name}" of ${owner} until ${expires}: ${why})`);
  }
  return diagnostic.setEnforcementlevel(EnforcementLevel.MANDATORY).setMessage(`${message}. ${rule.fix}`);
}

function count(pack: Pack, alone: number, together: number): messages.AnalyzeDiagnostic {
  return new messages.AnalyzeDiagnostic()
    .setPolicyname(judgedName)
    .setPolicypackname(pack.name)
    .setPolicypackversion(pack.version)
    .setEnforcementlevel(EnforcementLevel.ADVISORY)
    .setMessage(
      `judged ${alone} resources one by one and ${together} together by ${pack.rules.length} rules`,
    );
}

const severities: Record<Severity, messages.PolicySeverity> = {
  critical: PolicySeverity.POLICY_SEVERITY_CRITICAL,
  high: PolicySeverity.POLICY_SEVERITY_HIGH,
  medium: PolicySeverity.POLICY_SEVERITY_MEDIUM,
  low: PolicySeverity.POLICY_SEVERITY_LOW,
};

/**
 * Says nothing of the rules: from their list the engine would make, for every resource and twice, a report of which of
 * them passed, which nobody reads and which costs ten times what the judgement does.
 */
function info({ name, version, description }: Pack): messages.AnalyzerInfo {
  return new messages.AnalyzerInfo()
    .setName(name)
    .setVersion(version)
    .setDescription(description)
    .setSupportsconfig(false);
}
