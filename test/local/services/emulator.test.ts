import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";

/** Runs Python on the functions of the emulator's server, without the emulator. */
async function python(code: string): Promise<unknown> {
  const server = "local/services/emulator/server.py";
  const text = `import runpy\nglobals().update(runpy.run_path(${JSON.stringify(server)}))\n${code}`;
  const { stdout } = await promisify(execFile)("python3", ["-I", "-c", text]);
  return JSON.parse(stdout);
}

const from = "0100007F:9C40";
const to = "0100007F:1F90";
const mapped = "0000000000000000FFFF0000";
/** A line as a small-endian kernel prints it. */
const line = (local: string, remote: string, uid: number, { state = "01", inode = 972994 } = {}) =>
  `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000 ${uid}        0 ${inode} 1 00000000df25d52b 100 0 0 10 0`;

test("the owner of a connection to the emulator is found, and no closed, other or listening socket is taken for it", async () => {
  const tables = [
    [line(to, from, 1000), line(from, to, 1001)],
    [line(`${mapped}${from}`, `${mapped}${to}`, 1001)],
    [line(to, from, 1000)],
    [line("0100007F:9C41", to, 1001)],
    [line("0200007F:9C40", to, 1001)],
    [line(from, to, 1001, { state: "0A" })],
    [line(from, to, 0, { inode: 0 })],
    [],
  ].map((lines) => ["heading", ...lines].join("\n"));
  const code = `print(json.dumps([owner_of(table, 40000, 8080) for table in ${JSON.stringify(tables)}]))`;
  assert.deepEqual(await python(code), [1001, 1001, null, null, null, null, null, null]);
});

test("a connection of another user is answered 403 before the emulator sees it, our own is served", async () => {
  const code = `import asyncio
listener = socket.create_server(("127.0.0.1", 0))
ours = socket.create_connection(listener.getsockname())
scope = {"type": "http", "client": ours.getsockname(), "server": ours.getpeername()}

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})

def status(uid):
    said = []
    async def send(message):
        said.append(message)
    asyncio.run(only_for(uid, app)(scope, None, send))
    return said[0]["status"]

print(json.dumps([status(os.getuid()), status(os.getuid() + 1)]))`;
  assert.deepEqual(await python(code), [200, existsSync("/proc/net/tcp") ? 403 : 200]);
});

test("the kernel, asked for one connection, says whose it is, also of an IPv4-mapped one, and nothing of one that is closed or not there", async (t) => {
  if (!existsSync("/proc/net/tcp")) return t.skip("this system has no such table");
  const code = `listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
plain = socket.create_connection(("127.0.0.1", port))
mapped = socket.socket(socket.AF_INET6)
mapped.connect(("::ffff:127.0.0.1", port))
accepted = [listener.accept()[0] for _ in range(2)]
ports = [each.getsockname()[1] for each in (plain, mapped)]
asked = lambda: [asked_owner(each, port) for each in ports + [port]]
told = [asked()]
plain.close()
told += [asked(), os.getuid()]
print(json.dumps(told))`;
  const [open, closed, self] = (await python(code)) as [unknown[], unknown[], number];
  assert.deepEqual(open, [self, self, null]);
  assert.deepEqual(closed, [null, self, null]);
});
