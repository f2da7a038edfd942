import { loadCatalogueFrom } from "../model/catalogue.ts";
import { milliseconds, type Row, type Scale } from "./measure.ts";
import { organizationOf } from "./organization.ts";
import { startBenchStack } from "./stack.ts";
import { terraform, terraformVersion } from "./terraform.ts";

interface Built {
  resources: number;
  first: number;
  again: number;
}

/** Generated organizations: first update and no-change preview, in one stack and in parts, beside Terraform. */
export async function organizations({ full, say }: Scale): Promise<Row[]> {
  const sizes = full ? [100, 1_000, 4_000] : [100, 1_000];
  const version = await terraformVersion();
  if (version === undefined) say("organizations: terraform is not on PATH, so nothing stands beside them");
  const rows: Row[] = [];
  const whole = new Map<number, Built>();
  const parted = new Map<number, Built>();
  for (const size of sizes) {
    const parts = Math.max(2, Math.round(size / perPart));
    const some = await build(size, parts);
    parted.set(size, some);
    say(`organizations: ${some.resources} resources in ${parts} parts: ${timesOf(some)}`);
    const one = await build(size, 1);
    whole.set(size, one);
    say(`organizations: ${one.resources} resources in one stack: ${timesOf(one)}`);
    rows.push({
      what: `${one.resources} resources in one stack: first update; no-change preview`,
      measured: timesOf(one),
    });
    const compared = (what: string, ours: number, theirs: number, goal: string): Row => ({
      what: `${some.resources} resources in ${parts} parts: ${what}`,
      measured: `${milliseconds(ours)} ÷ ${milliseconds(theirs)}`,
      ratio: ours / theirs,
      ...(size === 1_000 && { goal }),
    });
    rows.push(
      compared("first update ÷ in one stack", some.first, one.first, ""),
      compared("no-change preview ÷ in one stack", some.again, one.again, ""),
    );
    if (version === undefined) continue;
    const beside = await terraform(some.resources);
    rows.push(
      compared(
        "first update ÷ Terraform's apply of as many `terraform_data`",
        some.first,
        beside.apply,
        "≤ 1.0",
      ),
      compared(
        "no-change preview ÷ Terraform's plan of as many `terraform_data`",
        some.again,
        beside.plan,
        "≤ 2",
      ),
    );
  }
  for (const [how, built] of [
    ["in one stack", whole],
    ["in parts", parted],
  ] as const) {
    const [small, large] = [...built.keys()].slice(-2) as [number, number];
    const [less, more] = [built.get(small), built.get(large)] as [Built, Built];
    rows.push({
      what: `First update of ${more.resources} ÷ of ${less.resources} resources ${how}`,
      measured: `${milliseconds(more.first)} ÷ ${milliseconds(less.first)}`,
      ratio: more.first / less.first,
      ...(large === 4_000 && how === "in parts" && { goal: "≤ 4.4" }),
    });
  }
  return rows;
}

/** A stack's cost grows with the square of its size; much below this many resources its start is what costs. */
const perPart = 130;

function timesOf({ first, again }: Built): string {
  return `${milliseconds(first)}; ${milliseconds(again)}`;
}

async function build(size: number, parts: number): Promise<Built> {
  await using bench = await startBenchStack(loadCatalogueFrom(organizationOf(size)), { parts });
  const { time, changes } = await bench.build();
  const again = await bench.previewUnchanged();
  return { resources: changes.create ?? 0, first: time, again };
}
