#!/usr/bin/env node
// A policy pack that says yes to everything and not what it has judged.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import services from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/analyzer_pb.js";
import plugins from "@pulumi/pulumi/proto/plugin_pb.js";

const server = new Server();
const yes = (_: unknown, callback: (error: null, answer: unknown) => void) =>
  callback(null, new messages.AnalyzeResponse());
server.addService(services.AnalyzerService, {
  handshake: (_: unknown, callback: (error: null, answer: unknown) => void) =>
    callback(null, new messages.AnalyzerHandshakeResponse()),
  configureStack: (_: unknown, callback: (error: null, answer: unknown) => void) =>
    callback(null, new messages.AnalyzerStackConfigureResponse()),
  getPluginInfo: (_: unknown, callback: (error: null, answer: unknown) => void) =>
    callback(null, new plugins.PluginInfo().setVersion("0.1.0")),
  remediate: (_: unknown, callback: (error: null, answer: unknown) => void) =>
    callback(null, new messages.RemediateResponse()),
  getAnalyzerInfo: (_: unknown, callback: (error: null, answer: unknown) => void) =>
    callback(null, new messages.AnalyzerInfo().setName("silent").setVersion("0.1.0")),
  analyze: yes,
  analyzeStack: yes,
});
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_, port) => console.log(port));
