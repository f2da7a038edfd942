import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { credentials } from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/analyzer_pb.js";
import { serve } from "../../policies/serve.ts";

test("the pack's process ends when the engine that started it is gone", async () => {
  const pack = spawn(resolve("policies/analyzer"), ["127.0.0.1:1"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(pack, "exit");
  const [said] = (await once(pack.stdout, "data")) as [Buffer];
  assert.match(said.toString(), /^\d+\n$/);
  assert.equal(pack.exitCode, null);
  pack.stdin.end();
  assert.deepEqual(await ended, [0, null]);
});

test("a pack that serves several runs counts for each stack and each run what was judged in it alone", async (t) => {
  const { port, close } = await serve({
    name: "empty",
    version: "1.0.0",
    description: "No rules.",
    rules: [],
    excuse: async () => undefined,
  });
  t.after(close);
  const client = new services.AnalyzerClient(`127.0.0.1:${port}`, credentials.createInsecure());
  t.after(() => client.close());
  const urn = (stack: string, name: string) =>
    `urn:pulumi:${stack}::keyplane::vault:index/policy:Policy::${name}`;
  const judge = (stack: string, name: string) =>
    promisify<messages.AnalyzeRequest, messages.AnalyzeResponse>((request, callback) =>
      client.analyze(request, callback),
    )(new messages.AnalyzeRequest().setUrn(urn(stack, name)));
  const together = async (stack: string, ...names: string[]) => {
    const resources = names.map((name) => new messages.AnalyzerResource().setUrn(urn(stack, name)));
    const answer = await promisify<messages.AnalyzeStackRequest, messages.AnalyzeResponse>(
      (request, callback) => client.analyzeStack(request, callback),
    )(new messages.AnalyzeStackRequest().setResourcesList(resources));
    return answer.getDiagnosticsList().map((diagnostic) => diagnostic.getMessage());
  };

  for (const [stack, name] of [
    ["one", "a"],
    ["other", "a"],
    ["one", "b"],
  ] as const) {
    await judge(stack, name);
  }
  assert.deepEqual(await together("one", "a", "b"), [
    "judged 2 resources one by one and 2 together by 0 rules",
  ]);
  assert.deepEqual(await together("other", "a", "b"), [
    "judged 1 resources one by one and 2 together by 0 rules",
  ]);
  // The next run of the same stack begins with nothing.
  assert.deepEqual(await together("one", "a", "b"), [
    "judged 0 resources one by one and 2 together by 0 rules",
  ]);
});
