import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createConnection } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { credentials } from "@grpc/grpc-js";
import type { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb.js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import empties from "google-protobuf/google/protobuf/empty_pb.js";
import { startVaultProvider } from "../../../local/providers/index.ts";
import { Provider } from "../../../local/providers/provider.ts";
import { serve } from "../../../local/providers/server.ts";

async function reaches(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

test("listens on 127.0.0.1 alone, and no more once it is closed", async () => {
  const provider = await startVaultProvider({ address: "https://127.0.0.1:1", ca: "", token: () => "" });
  const others = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && family === "IPv4")
    .map(({ address }) => address);
  try {
    assert.equal(await reaches("127.0.0.1", provider.port), true);
    for (const address of others) assert.equal(await reaches(address, provider.port), false);
  } finally {
    await provider.close();
  }
  assert.equal(await reaches("127.0.0.1", provider.port), false);
});

/** What the provider says to the engine's first question, or why not. */
async function versionAt(port: number): Promise<string> {
  const client = new services.ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure());
  try {
    return await new Promise((resolve, reject) => {
      client.getPluginInfo(new empties.Empty(), (error: Error | null, info: PluginInfo) =>
        error === null ? resolve(info.getVersion()) : reject(error),
      );
    });
  } finally {
    client.close();
  }
}

test("serves the user who started it; a connection of another user is closed unread", {
  timeout: 60_000,
}, async () => {
  const provider = new Provider([], () => assert.fail("nothing here talks to Vault"));
  const uid = process.getuid?.() ?? 0;
  const ours = await serve(provider, "7.8.0");
  const others = await serve(provider, "7.8.0", uid + 1);
  try {
    assert.equal(await versionAt(ours.port), "7.8.0");
    if (existsSync("/proc/net/tcp")) await assert.rejects(versionAt(others.port), /UNAVAILABLE/);
    else assert.equal(await versionAt(others.port), "7.8.0");
  } finally {
    await Promise.all([ours.close(), others.close()]);
  }
});

test("ends the connections that are open when it is closed", { timeout: 20_000 }, async () => {
  const server = await serve(new Provider([], () => assert.fail("nothing here talks to Vault")), "7.8.0");
  const socket = createConnection({ host: "127.0.0.1", port: server.port });
  const ended = new Promise((resolve) => socket.once("close", resolve));
  socket.resume().on("error", () => {});
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  await server.close();
  await ended;
});
