import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import type { PlatformRole } from "../operations/login.ts";
import { define, type Invocation, type Result } from "./command.ts";
import { UsageError } from "./exit.ts";

const roles = ["deploy", "drift", "nobody"] as const;
type Role = (typeof roles)[number];

export function command(): Command {
  return define({
    name: "as <role> [command...]",
    summary: "run a command logged in as one of the platform's roles",
    details:
      "Logs in to Vault as keyplane.deploy or keyplane.drift and gives the command VAULT_ADDR, VAULT_TOKEN and " +
      "VAULT_CACERT in its own environment, no other's; the token is revoked when the command ends. In GitHub Actions, " +
      "where AWS_ROLE_ARN is set, the command can take that role of AWS as well. `nobody` logs in to no Vault. Ends " +
      "with the command's exit code.",
    examples: [
      ["keyplane as deploy --environment staging -- pulumi up --stack staging", "in a workflow"],
      ["keyplane as drift -- vault token lookup", "on the local stack"],
    ],
    ownSignals: true,
    run: async (invocation) => {
      const [role = "", ...words] = invocation.arguments;
      if (!isRole(role))
        throw new UsageError(`there is no role of that name; write one of ${roles.join(", ")}`);
      if (words.length === 0) throw new UsageError("name the command: keyplane as ROLE -- COMMAND");
      if (invocation.json)
        throw new UsageError("--json does not go with it: the output is the command's own");
      if (invocation.dryRun) {
        const text = `Would log in as ${role === "nobody" ? "nobody" : `keyplane.${role}`} and run: ${words[0]}`;
        return { json: undefined, text };
      }
      return role === "nobody" ? start(words, {}) : loggedIn(invocation, role, words);
    },
  });
}

function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text);
}

async function loggedIn(invocation: Invocation, role: PlatformRole, words: string[]): Promise<Result> {
  const [{ withVault }, { login }] = await Promise.all([
    import("./session.ts"),
    import("../operations/login.ts"),
  ]);
  return withVault(invocation, async (vault, { model, ca, sign }) => {
    const session = await login({ model, vault, role, env: process.env, ...(sign && { sign }) });
    try {
      const given = { VAULT_ADDR: model.vault.address, VAULT_TOKEN: session.vault.token ?? "" };
      return await start(words, given, ca);
    } finally {
      // Vault may be away; the token ends by itself.
      await session.end().catch(() => {});
    }
  });
}

/** Starts the command with what it is given, and ends as it does. What lies in files meanwhile goes with it. */
async function start(words: string[], given: Record<string, string>, ca?: string): Promise<Result> {
  const [{ foreground }, { makePrivateFolder, removePrivateFolder }, { webIdentity }] = await Promise.all([
    import("./foreground.ts"),
    import("../operations/delivery/memory-folder.ts"),
    import("../operations/web-identity.ts"),
  ]);
  const { path: folder } = await makePrivateFolder(process.env);
  const write = async (name: string, text: string) => {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  try {
    const aws = await webIdentity(process.env, (token) => write("web-identity-token", token));
    const certificate = ca === undefined ? {} : { VAULT_CACERT: await write("ca.pem", ca) };
    const code = await foreground(words, { ...process.env, ...aws, ...certificate, ...given });
    return { json: undefined, text: "", code };
  } finally {
    await removePrivateFolder(folder);
  }
}
