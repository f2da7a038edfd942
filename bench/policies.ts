import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { platform } from "../infra/index.ts";
import { lambdaCode } from "../infra/lambda-code.ts";
import type { RecordedResource } from "../infra/record.ts";
import { findTool } from "../local/toolchain/index.ts";
import { type Catalogue, loadCatalogue, loadCatalogueFrom } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import { judge } from "../policies/judge.ts";
import { seen } from "../policies/resource.ts";
import { rules } from "../policies/rules.ts";
import { exported, recordMade } from "../test/policies/made.ts";
import { median, milliseconds, type Row, type Scale, sideBySide } from "./measure.ts";
import { organizationOf } from "./organization.ts";

const folder = import.meta.dirname;
const pack = join(folder, "..", "policies", "analyzer");
const oneRule = join(folder, "packs", "one-rule.ts");

/** What judging costs: in this process, in the engine, to start, and as a command. */
export async function policies(scale: Scale): Promise<Row[]> {
  const home = await mkdtemp(join(tmpdir(), "keyplane-bench-"));
  try {
    return [
      ...(await inProcess(scale)),
      ...(await throughEngine(scale, home)),
      ...(await start(scale, home)),
      await command(scale, home),
    ];
  } finally {
    await rm(home, { recursive: true });
  }
}

/**
 * Microseconds per resource, of the thread that judges: what collects garbage beside it keeps nobody waiting. Each time they
 * are other objects, of systems of other names: what was read of one program is not there already for the next.
 */
async function inProcess({ full }: Scale): Promise<Row[]> {
  const five = { which: "the five systems with AWS", of: await loadCatalogue("catalogue"), in: "production" };
  const generated = [1_000, 10_000].map((size) => ({
    which: "a generated organization",
    of: loadCatalogueFrom(organizationOf(size)),
    in: "local",
  }));
  const rows: Row[] = [];
  for (const { which, of, in: environment } of [five, ...generated]) {
    const resources = await recorded(of, environment);
    // In the database names of systems have no hyphens.
    const systems = (of.systems.get(environment) ?? []).flatMap(({ system }) => [
      system,
      system.replaceAll("-", "_"),
    ]);
    const times = timesOf(resources, new RegExp(systems.join("|"), "g"), full ? 25 : 11);
    rows.push({
      what: `Judging in process, per resource of ${resources.length} (${which}), by ${rules.length} rules`,
      measured: `${median(times.slice(2)).toFixed(1)} µs`,
      goal: "≤ 10 µs",
    });
  }
  return rows;
}

/** Of so many rounds, each of some 10,000 resources. */
function timesOf(resources: RecordedResource[], names: RegExp, rounds: number): number[] {
  let copy = 0;
  return Array.from({ length: rounds }, () => {
    let [spent, judged] = [0, 0];
    while (judged < 9_000) {
      const other = renamed(resources, names, String(++copy)) as RecordedResource[];
      const before = process.threadCpuUsage();
      const findings = judge(rules, other.map(seen));
      const { user, system } = process.threadCpuUsage(before);
      if (findings.length > 0) throw new Error(`the program is refused: ${findings[0]?.message}`);
      spent += user + system;
      judged += other.length;
    }
    return spent / judged;
  });
}

/** The same data, in which every name has an end of its own. */
function renamed(value: unknown, names: RegExp, end: string): unknown {
  if (typeof value === "string") return value.replace(names, (name) => name + end);
  if (Array.isArray(value)) return value.map((item) => renamed(item, names, end));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, renamed(item, names, end)]));
}

async function throughEngine({ full, say }: Scale, home: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const size of [1_000, 10_000]) {
    const resources = await recorded(loadCatalogueFrom(organizationOf(size)), "local");
    const file = join(home, `${size}.json`);
    await writeFile(file, JSON.stringify(exported(resources)));
    const { all, one } = await sideBySide(full ? 7 : 3, {
      all: await analysis(file, pack, home),
      one: await analysis(file, oneRule, home),
    });
    say(`policies: ${resources.length} resources: ${milliseconds(all)} ÷ ${milliseconds(one)}`);
    rows.push({
      what: `\`pulumi policy analyze\` of ${resources.length} resources: all ${rules.length} rules ÷ one`,
      measured: `${milliseconds(all)} ÷ ${milliseconds(one)}`,
      ratio: all / one,
      goal: "≤ 1.1",
    });
  }
  return rows;
}

/** From the start of a pack's process until it says its port, both from a cache of compiled code. */
async function start({ full }: Scale, home: string): Promise<Row[]> {
  const environment = { NODE_COMPILE_CACHE: join(home, "compiled") };
  const { ours, empty, alone } = await sideBySide(full ? 21 : 9, {
    ours: () => untilPort(pack, environment),
    empty: () => untilPort(join(folder, "packs", "empty.cjs"), environment),
    alone: () => untilPort(oneRule, environment),
  });
  return [
    {
      what: "Start of the pack ÷ of an empty pack of Pulumi's SDK",
      measured: `${milliseconds(ours)} ÷ ${milliseconds(empty)}`,
      ratio: ours / empty,
      goal: "≤ 1.3",
    },
    {
      what: "Start of the pack ÷ of the same server with one rule",
      measured: `${milliseconds(ours)} ÷ ${milliseconds(alone)}`,
      ratio: ours / alone,
    },
  ];
}

async function command({ full }: Scale, home: string): Promise<Row> {
  const environment = { ...process.env, NODE_COMPILE_CACHE: join(home, "compiled"), XDG_CACHE_HOME: home };
  const node = (...args: string[]) =>
    promisify(execFile)(process.execPath, args, { cwd: join(folder, ".."), env: environment });
  const { check, sdk } = await sideBySide(full ? 15 : 7, {
    check: () => node("cli/keyplane.ts", "check", "--environment", "production"),
    sdk: () => node("--input-type=module", "--eval", `await import("@pulumi/pulumi")`),
  });
  return {
    what: "`keyplane check` of the five systems ÷ import of the bare Pulumi SDK",
    measured: `${milliseconds(check)} ÷ ${milliseconds(sdk)}`,
    ratio: check / sdk,
    goal: "≤ 2",
  };
}

/** The program as it is after an update, so that every rule passes. */
async function recorded(catalogue: Catalogue, environment: string): Promise<RecordedResource[]> {
  const audit = (name: string) => ({ type: "file" as const, path: `/var/log/${name}/audit.log` });
  const local = { vault: { audit: { first: audit("first"), second: audit("second") } } };
  const model = derive(catalogue, environment, environment === "local" ? local : undefined);
  const place = model.aws ?? { account: "000000000000", region: "eu-west-1" };
  const code = lambdaCode("lambdas");
  return recordMade(
    environment,
    () => platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode: code }),
    place,
  );
}

async function analysis(file: string, policies: string, home: string): Promise<() => Promise<void>> {
  const pulumi = await findTool("pulumi", () => {});
  const environment = {
    ...process.env,
    PULUMI_HOME: join(home, "pulumi"),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    NODE_COMPILE_CACHE: join(home, "compiled"),
  };
  const args = ["policy", "analyze", "--file", file, "--policy-pack", policies, "--json"];
  return () =>
    new Promise((resolve, reject) => {
      const options = { cwd: home, env: environment, maxBuffer: 1 << 30 };
      execFile(pulumi, args, options, (_, stdout, stderr) => {
        if (stdout.includes("keyplane-judged")) resolve();
        else reject(new Error(`the pack judged nothing: ${stderr}`));
      });
    });
}

function untilPort(file: string, environment: Record<string, string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, { cwd: join(folder, "packs"), env: { ...process.env, ...environment } });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`${file} ended without a port`)));
    child.stdout.once("data", () => {
      child.removeAllListeners("exit");
      child.once("exit", () => resolve());
      child.kill();
    });
  });
}
