import { join } from "node:path";
import { platform } from "../infra/index.ts";
import { lambdaCode } from "../infra/lambda-code.ts";
import { record } from "../infra/record.ts";
import type { Catalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import { type Check, check } from "../policies/check.ts";
import { seen } from "../policies/resource.ts";
import { UsageError } from "./exit.ts";

export interface CheckOptions {
  /** YYYY-MM-DD. */
  today: string;
  /** Where the local stack puts the files of its audit devices, absolute. */
  auditFolder: string;
}

/**
 * Records what the program declares for an environment and judges it. The other environments are recorded only to
 * tell whether an exception that this one does not need is needed at all.
 * @throws UsageError for an environment that the catalogue does not have
 */
export async function checkProgram(
  catalogue: Catalogue,
  environment: string,
  options: CheckOptions,
): Promise<Check> {
  const environments = [...catalogue.systems.keys()];
  if (!environments.includes(environment)) {
    throw new UsageError(
      `the catalogue has no environment "${environment}": write one of ${environments.join(", ")}`,
    );
  }
  const checked = await checkOne(catalogue, environment, options);
  if (checked.exceptions.every(({ used }) => used)) return checked;
  const usedElsewhere = new Set<string>();
  for (const other of environments.filter((name) => name !== environment)) {
    const { exceptions } = await checkOne(catalogue, other, options);
    for (const { exception, used } of exceptions) if (used) usedElsewhere.add(exception.name);
  }
  return checkOne(catalogue, environment, options, usedElsewhere);
}

async function checkOne(
  catalogue: Catalogue,
  environment: string,
  { today, auditFolder }: CheckOptions,
  usedElsewhere?: ReadonlySet<string>,
): Promise<Check> {
  // What `keyplane up` fills in; elsewhere the catalogue says it.
  const local = {
    vault: { audit: { first: file(auditFolder, "first"), second: file(auditFolder, "second") } },
    aws: { account: "000000000000", region: "eu-west-1", emulator: "http://127.0.0.1:4566" },
  };
  const model = derive(catalogue, environment, environment === "local" ? local : undefined);
  const program = await record(environment, () =>
    platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode: lambdaCode("lambdas") }),
  );
  return check({
    model,
    positions: catalogue.positions,
    resources: program.map(seen),
    today,
    ...(usedElsewhere !== undefined && { usedElsewhere }),
  });
}

function file(folder: string, name: string) {
  return { type: "file" as const, path: join(folder, name, "audit.log") };
}
