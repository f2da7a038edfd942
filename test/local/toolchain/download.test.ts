import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { fakeAnswers } from "./answers.ts";
import {
  type Fake,
  gadget,
  hasty,
  official,
  pathWithGo,
  patient,
  script,
  sha256,
  vendor,
  vendorOf,
  world,
} from "./fakes.ts";

const entry = "gadget-1.2.3-linux-amd64";

test("downloads the official file, verifies it and keeps it executable in the cache", async (t) => {
  const { url, paths } = await vendorOf(t, official);
  const { toolchain, settings, report, steps, cached } = await world(t, [gadget(url)]);
  const file = await toolchain.find("gadget", report);
  assert.equal(file, join(settings.cache, entry, "gadget"));
  assert.equal(execFileSync(file, { encoding: "utf8" }), "gadget v1.2.3\nofficial\n");
  assert.equal((await stat(file)).mode & 0o777, 0o755);
  assert.deepEqual(paths, ["/gadget"]);
  assert.deepEqual(await cached(), [entry]);
  assert.deepEqual(steps, [
    { subject: "gadget", state: "started", text: `downloading 1.2.3 from ${new URL(url).host}` },
    { subject: "gadget", state: "progress", text: "downloaded 0.0 of 0.0 MB" },
    { subject: "gadget", state: "done", text: "1.2.3, downloaded" },
  ]);
});

test("follows a redirect of the vendor's server", async (t) => {
  const { url, paths } = await vendor(t, (request, response) => {
    if (request.url === "/gadget") response.writeHead(302, { location: "/elsewhere/gadget" }).end();
    else response.end(official);
  });
  const { toolchain, report } = await world(t, [gadget(url)], { ways: ["download"] });
  await toolchain.find("gadget", report);
  assert.deepEqual(paths, ["/gadget", "/elsewhere/gadget"]);
});

test("refuses a file with another checksum and keeps nothing of it", async (t) => {
  const other = Buffer.from(script("gadget", "1.2.3", "not the official one"));
  const { url } = await vendorOf(t, other);
  const { toolchain, report, cached } = await world(t, [gadget(url)], { ways: ["download"] });
  await assert.rejects(toolchain.find("gadget", report), (error: Error) => {
    assert.equal(error.name, "ToolchainError");
    assert.ok(
      error.message.includes(
        `download: ${url}/gadget: its SHA-256 is ${sha256(other)}, pinned is ${sha256(official)}; ` +
          "it was cut short or it is not the official file",
      ),
    );
    return true;
  });
  assert.deepEqual(await cached(), []);
});

for (const [how, answer, reason] of fakeAnswers)
  test(`builds instead when the download ${how}, and says why`, async (t) => {
    const { url } = await vendor(t, answer);
    const { toolchain, report, steps } = await world(t, [gadget(url)], {
      environment: { PATH: await pathWithGo(t) },
      limits: how === "trickles" ? hasty : patient,
    });
    const file = await toolchain.find("gadget", report);
    assert.equal(execFileSync(file, { encoding: "utf8" }), "gadget v1.2.3\nbuilt\n");
    const started = steps.filter((step) => step.state === "started").at(-1)?.text ?? "";
    assert.match(started, /^building 1\.2\.3 from Go modules, about 1 min the first time \(download: /);
    assert.match(started, reason);
  });

test("does not ask a host that did not answer a second time in the same process", async (t) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const url = `http://127.0.0.1:${address.port}`;
  const widget = { ...gadget(url), name: "widget", executables: { widget: ["--version"] } };
  const { toolchain, report } = await world(t, [gadget(url), widget], { ways: ["download"] });
  const refusal = new RegExp(`download: 127\\.0\\.0\\.1:${address.port} did not answer`);
  for (const name of ["gadget", "widget"] satisfies Fake[])
    await assert.rejects(toolchain.find(name, report), refusal);
  assert.equal(connections, 1);
});

test("asks a host again for another tool when it answered that the first is not there", async (t) => {
  const { url, paths } = await vendor(t, (_, response) => response.writeHead(404).end());
  const widget = { ...gadget(url), name: "widget", executables: { widget: ["--version"] } };
  const { toolchain, report } = await world(t, [gadget(url), widget], { ways: ["download"] });
  for (const name of ["gadget", "widget"] satisfies Fake[])
    await assert.rejects(toolchain.find(name, report), /the server answered 404/);
  assert.equal(paths.length, 2);
});

test("gives up soon on a server that accepts and then says nothing", async (t) => {
  const { url } = await vendor(t, () => {});
  const { toolchain, report } = await world(t, [gadget(url)], { ways: ["download"], limits: hasty });
  const started = Date.now();
  await assert.rejects(toolchain.find("gadget", report), /did not answer \(/);
  assert.ok(Date.now() - started < 10_000);
});

test("downloads nothing for a platform without a pinned checksum", async (t) => {
  const { url, paths } = await vendorOf(t, official);
  const { toolchain, report } = await world(t, [gadget(url)], {
    ways: ["download"],
    platform: "plan9-mips",
  });
  await assert.rejects(
    toolchain.find("gadget", report),
    /no checksum is pinned for plan9-mips, so nothing is downloaded/,
  );
  assert.deepEqual(paths, []);
});

test("keeps nothing that matches its checksum but says that it is another version", async (t) => {
  const other = Buffer.from(script("gadget", "1.2.4"));
  const { url } = await vendorOf(t, other);
  const { toolchain, report, cached } = await world(t, [gadget(url, { sha256: sha256(other) })], {
    ways: ["download"],
  });
  await assert.rejects(
    toolchain.find("gadget", report),
    /the new gadget does not say that it is 1\.2\.3, but 1\.2\.4/,
  );
  assert.deepEqual(await cached(), []);
});
