import { type Command, Option } from "commander";
import type { Secret } from "../model/model.ts";
import type { Fields } from "../operations/values/shape.ts";
import { define, type Invocation, type Result } from "./command.ts";
import { UsageError } from "./exit.ts";
import { askHidden, readAll, withoutLineBreak } from "./input.ts";

export function command(): Command {
  return define({
    name: "set <name>",
    summary: "give a secret the value on standard input",
    details:
      "The value comes on standard input, never as an argument; on a terminal it is asked for and not shown. One " +
      "line break at its end is left out, except for the kinds file and certificate, whose values are kept as they " +
      "are. A secret of several fields takes one JSON object, or one field with --field. It is written as a new " +
      "version to the source and then to each consumer's own path; run again with the same value, it completes " +
      "what was interrupted. Of a database user that was there before, the present user and password are taken once; the " +
      "next rotation replaces that password. Nobody is asked to revoke the value before, which it says; a provider's key " +
      "that a rotation made is noted, and revoked by the next one. With --rotate, the next value of what a person makes " +
      "(rotate.by: hand) is a rotation: its consumers get it one after the other, it is probed, and its owner is asked to " +
      "revoke the old one; it begins when a rotation may (blackouts, the environment before), and with --reason compromise " +
      "or leaver at once.",
    examples: [
      ["keyplane set titan/gemini < key.txt", "a secret of one field"],
      ["vault-export | keyplane set titan/binance", 'both fields, from {"key": …, "secret": …}'],
      [
        "keyplane set titan/binance --field key < key.txt",
        "one field of several; the others keep their value",
      ],
      [
        "keyplane set titan/binance --rotate --root / < keys.json",
        "the next value, without downtime: on the services' host",
      ],
      ["keyplane set titan/binance --dry-run", "what would be written, without a value"],
    ],
    interruptible: true,
    configure: (set) =>
      set
        .option("--field <field>", "the one field that standard input is the value of")
        .option("--rotate", "consumers run a value already: bring this one as a rotation", false)
        .addOption(
          new Option("--reason <reason>", "with --rotate: why")
            .choices(["scheduled", "compromise", "leaver"])
            .default("scheduled"),
        )
        .option("--root <folder>", "with --rotate: this machine is the services' host: its root, usually /")
        .option("--project <folder>", "with --rotate: folder of the Compose project, for relative paths"),
    async run(invocation) {
      const [name = ""] = invocation.arguments;
      const field = typeof invocation.options.field === "string" ? invocation.options.field : undefined;
      refuseValues(name, field);
      const [{ planSet, secretNamed, setValue }, { knownModelOf, withSession }] = await Promise.all([
        import("../operations/values/set.ts"),
        import("./session.ts"),
      ]);
      const declared = secretNamed(await knownModelOf(invocation), name);
      const plan = planSet(declared);
      if (invocation.options.rotate === true && declared.rotate.by !== "hand") {
        throw new UsageError(
          `${name} is not made by a person: \`keyplane rotate ${name}\` makes its next value`,
        );
      }
      const reason = invocation.options.reason as "scheduled" | "compromise" | "leaver";
      if (invocation.options.rotate !== true && reason !== "scheduled") {
        throw new UsageError(`--reason ${reason} goes with --rotate`);
      }
      if (field !== undefined && !plan.fields.includes(field)) {
        throw new UsageError(`${plan.secret} has no such field to be set; it has ${plan.fields.join(", ")}`);
      }
      if (invocation.dryRun) {
        const warning = plan.impact === undefined ? [] : [`Impact: ${plan.impact}`];
        const text = [
          `Would write a new version of ${plan.secret}, in this order:`,
          ...plan.paths.map((p) => `  ${p}`),
        ];
        return { json: { ...plan, dryRun: true }, text: [...text, ...warning].join("\n") };
      }
      const given = await readFields(invocation, plan.fields, field);
      if (invocation.options.rotate === true) return rotateByHand(invocation, declared, given, reason);
      return withSession(invocation, "rotate", async ({ vault, who }, model) => {
        const secret = secretNamed(model, name);
        const values = asKept(secret, given);
        const writer = { vault, model, by: who };
        const result = await setValue(writer, secret, values, invocation.report, invocation.signal);
        const to =
          (result.delivered.length > 0 ? `, delivered to ${result.delivered.join(", ")}` : "") +
          (result.pending.length > 0
            ? `; the rotation role will deliver it to ${result.pending.join(", ")}`
            : "");
        return {
          json: result,
          text:
            `${result.secret}: ${result.unchanged ? "unchanged, " : ""}version ${result.version}${to}.` +
            (result.left === undefined ? "" : `\n  note: ${result.left}`),
        };
      });
    },
  });
}

/** The next value of what a person makes, without downtime; its owner is asked to revoke the old one. */
async function rotateByHand(
  invocation: Invocation,
  { id, kind }: Secret,
  given: Fields,
  reason: "scheduled" | "compromise" | "leaver",
): Promise<Result> {
  const [{ secretNamed }, { rotateGiven }, { withRunner }, { aboutOne, shown }] = await Promise.all([
    import("../operations/values/set.ts"),
    import("../operations/rotation/fleet-runner.ts"),
    import("./rotation-session.ts"),
    import("./rotation-rows.ts"),
  ]);
  return withRunner(invocation, { wait: false }, async (runner) => {
    const secret = secretNamed(runner.model, id);
    const rotated = await rotateGiven(runner, secret, asKept({ kind }, given), reason);
    return aboutOne(rotated.map((row) => shown(row, true, reason !== "scheduled")));
  });
}

function asKept({ kind }: Pick<Secret, "kind">, given: Fields): Fields {
  return kind === "file" || kind === "certificate" ? given : mapValues(given, withoutLineBreak);
}

/** What looks like a value on the command line is one: it stands in the shell's history by now. */
function refuseValues(name: string, field: string | undefined): void {
  const isName = /^[a-z][a-z0-9_-]*\/[a-z][a-z0-9_-]*$/;
  if (
    name.length > 81 ||
    !isName.test(name) ||
    (field !== undefined && !/^[a-z][a-z0-9-]{0,39}$/.test(field))
  ) {
    throw new UsageError(
      "write the secret as system/secret, and --field as one of its fields. If that was a value: values come on " +
        "standard input only, and one that was an argument is in the shell's history: replace it",
    );
  }
}

async function readFields(
  { report, signal }: Invocation,
  fields: string[],
  field: string | undefined,
): Promise<Fields> {
  const asked = field === undefined ? fields : [field];
  const { stdin, stderr } = process;
  if (stdin.isTTY) {
    const answers: [string, string][] = [];
    for (const one of asked) answers.push([one, await askHidden(`${one}: `, stdin, stderr)]);
    return Object.fromEntries(answers);
  }
  report({ subject: "value", state: "started", text: "reading standard input" });
  const text = await readAll(stdin, signal);
  report({ subject: "value", state: "done", text: "read from standard input" });
  const [only] = asked;
  if (asked.length === 1 && only !== undefined) return { [only]: text };
  return parseFields(text, asked);
}

/** Several fields are one JSON object of texts. Errors of the parser quote what they read, so they stay out. */
export function parseFields(text: string, fields: string[]): Fields {
  const expected = `standard input must be one JSON object with the texts ${fields.join(", ")} (or use --field)`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError(expected);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new UsageError(expected);
  const entries = Object.entries(value);
  const fine = entries.every(([key, one]) => fields.includes(key) && typeof one === "string");
  if (!fine || entries.length === 0) throw new UsageError(expected);
  return Object.fromEntries(entries) as Fields;
}

function mapValues(fields: Fields, change: (value: string) => string): Fields {
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, change(value)]));
}
