import assert from "node:assert/strict";
import { createConnection } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { startVaultProvider } from "../../../local/providers/index.ts";

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
