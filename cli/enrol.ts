import type { Command } from "commander";
import type { Model } from "../model/model.ts";
import type { Handover } from "../operations/enrol.ts";
import { define, type Invocation, type Result } from "./command.ts";
import { UsageError } from "./exit.ts";
import { askHidden, readAll } from "./input.ts";

export function command(): Command {
  return define({
    name: "enrol [name]",
    summary: "hand a person their second factor, once",
    details:
      "Makes the person's TOTP secret (and, where Vault keeps passwords, a new password) and wraps both into one " +
      "token that opens once, within 15 minutes. Give that token to the person; they open it with --unwrap. If it " +
      "does not open, someone else was first: enrol --again. In GitHub Actions, whose logs many people read, the " +
      "token is printed encrypted to the person's age recipient.",
    examples: [
      ["keyplane enrol ada", "make them, and print the token to hand over"],
      ["keyplane enrol ada --again", "a lost phone: the second factor there is stops working"],
      ["keyplane enrol --unwrap", "as ada: open the token that was handed over"],
    ],
    configure: (enrol) =>
      enrol
        .option("--again", "destroy the person's second factor and make another", false)
        .option("--unwrap", "open the token on standard input", false),
    async run(invocation) {
      const [name] = invocation.arguments;
      const { again, unwrap } = invocation.options;
      if (unwrap === true) {
        if (name !== undefined || again === true) {
          throw new UsageError("--unwrap takes nothing else: the token comes on standard input");
        }
        if (invocation.dryRun) {
          throw new UsageError(
            "--unwrap cannot be tried with --dry-run: the token opens once, so it would be spent",
          );
        }
        return open(invocation);
      }
      if (name === undefined) throw new UsageError("name the person: keyplane enrol NAME");
      return make(invocation, name, again === true);
    },
  });
}

async function make(invocation: Invocation, name: string, again: boolean): Promise<Result> {
  const [{ enrol, personNamed }, { modelOf, withSession }] = await Promise.all([
    import("../operations/enrol.ts"),
    import("./session.ts"),
  ]);
  const { dryRun, environment, report } = invocation;
  const model = await modelOf(invocation);
  const { email } = personNamed(model, name);
  if (dryRun) {
    const password = model.vault.auth.human === "userpass" ? "a password and " : "";
    const text = `Would make ${password}a second factor for ${name} <${email}>${again ? ", and destroy the one there is" : ""}.`;
    return { json: { person: name, email, again, dryRun }, text };
  }
  const seal = process.env.GITHUB_ACTIONS === undefined ? undefined : await sealing(model, name, invocation);
  return withSession(invocation, "enrol", async ({ vault }, live) => {
    const made = await enrol(vault, live, name, { again, report });
    const enrolment = seal === undefined ? made : { ...made, token: await seal(made.token) };
    const unwrap = `npx keyplane enrol --unwrap${environment === "local" ? "" : ` --environment ${environment}`}`;
    return {
      json: enrolment,
      text: [
        `Hand this to ${name} <${email}>; it opens once, within ${enrolment.ttl / 60} minutes:`,
        "",
        enrolment.token.trimEnd().replaceAll(/^/gm, seal === undefined ? "  " : ""),
        "",
        seal === undefined
          ? `They run: ${unwrap}   (it asks for the token)`
          : `They save it as token.age and run: age --decrypt -i KEY_FILE token.age | ${unwrap}`,
      ].join("\n"),
    };
  });
}

/** What stands in a job's log is everybody's: there the token goes out encrypted, or nothing is made at all. */
async function sealing(
  model: Pick<Model, "recipients">,
  name: string,
  { report }: Invocation,
): Promise<(token: string) => Promise<string>> {
  const recipient = model.recipients.find(({ person }) => person === name)?.age;
  if (recipient === undefined) {
    throw new UsageError(
      `${name} has no age recipient, and a job's log is no place for a token: add \`age:\` to people.${name} in the catalogue`,
    );
  }
  const [{ encryptTo }, { findTool }] = await Promise.all([
    import("../operations/age.ts"),
    import("../local/toolchain/index.ts"),
  ]);
  const age = await findTool("age", report);
  return (token) => encryptTo(age, recipient, token);
}

async function open(invocation: Invocation): Promise<Result> {
  const [{ unwrap }, { withVault }] = await Promise.all([
    import("../operations/enrol.ts"),
    import("./session.ts"),
  ]);
  const { stdin, stderr } = process;
  if (!stdin.isTTY) invocation.report({ subject: "token", state: "started", text: "reading the token" });
  const token = (stdin.isTTY ? await askHidden("token: ", stdin, stderr) : await readAll(stdin)).trim();
  if (!/^hv[sb]\.[A-Za-z0-9_-]+$/.test(token)) throw new UsageError("that is no wrapping token (hvs.…)");
  return withVault(invocation, async (vault) => {
    const handover = await unwrap(vault, token);
    return { json: handover, text: shown(handover) };
  });
}

/** The one place that prints values: to the person whose they are, who asked for them with the token. */
function shown({ username, password, totp }: Handover): string {
  return [
    `user      ${username}`,
    ...(password === undefined ? [] : [`password  ${password}`]),
    `TOTP      ${totp}`,
    "",
    "Put the password into your password manager and the address into your authenticator app; neither is shown again.",
  ].join("\n");
}
