/** MinIO with one folder, as solo runs it: its root user is what its environment says at its start. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const { MINIO = "", FOLDER = "", PORT = "" } = process.env;
const address = `127.0.0.1:${PORT}`;
const child = spawn(MINIO, ["server", "--quiet", "--address", address, FOLDER], {
  env: { ...process.env, HOME: FOLDER, MINIO_BROWSER: "off", MINIO_UPDATE: "off" },
  stdio: ["ignore", "ignore", "inherit"],
});
child.once("exit", (code) => process.exit(code ?? 1));
process.on("SIGTERM", () => child.kill("SIGTERM"));
const isReady = () =>
  fetch(`http://${address}/minio/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
while (!(await isReady())) await sleep(20);
console.log("ready");
