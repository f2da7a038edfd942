import type { Command } from "commander";
import { define } from "./command.ts";
import { UsageError } from "./exit.ts";
import { modelOf } from "./session.ts";

export function command(): Command {
  return define({
    name: "database <name>",
    summary: "print what a DBA runs once, before Vault connects to a database",
    details:
      "SQL for psql, inside that database: the manager that Vault logs in as, the roles and functions by which it " +
      "makes users, the role that rotation acts as. It takes no superuser: the administrator of a managed service " +
      "will do, who owns the database and made its groups. psql asks for the manager's first password, which Vault " +
      "replaces. Running it again changes nothing else.",
    examples: [
      ["keyplane database titan/ledger --environment production > setup.sql", "and give it to the DBA"],
      ["psql --file setup.sql", "what the DBA does with it, on a terminal"],
    ],
    async run(invocation) {
      const name = invocation.arguments[0] ?? "";
      const [{ setupScript }, { databases }] = await Promise.all([
        import("../operations/database/setup.ts"),
        modelOf(invocation),
      ]);
      const database = databases.find(({ id }) => id === name);
      if (database === undefined) {
        const known = databases.map(({ id }) => id).join(", ") || "none";
        throw new UsageError(
          `${invocation.environment} has no database of that name, which is system/database; it has ${known}`,
        );
      }
      const sql = setupScript(database);
      return { json: { database: database.id, manager: database.manager, sql }, text: sql.trimEnd() };
    },
  });
}
