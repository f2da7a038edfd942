import { platform } from "../../infra/index.ts";
import { lambdaCode } from "../../infra/lambda-code.ts";
import { type Made, record } from "../../infra/record.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Declared } from "../../policies/resource.ts";
import { madeIn } from "./made.ts";

export const environments = ["local", "staging", "production"] as const;

const catalogue = await loadCatalogue("catalogue");

/** What the local stack fills in when it starts. */
export const local = {
  vault: {
    audit: {
      first: { type: "file" as const, path: "/var/lib/keyplane/first/audit.log" },
      second: { type: "file" as const, path: "/var/lib/keyplane/second/audit.log" },
    },
  },
  aws: { account: "000000000000", region: "eu-west-1", emulator: "http://127.0.0.1:4566" },
};

/** The shipped program of an environment, as a first preview would see it; with `made`, as it is after an update. */
export function realProgram(environment: (typeof environments)[number], made?: Made): Promise<Declared[]> {
  const model = derive(catalogue, environment, environment === "local" ? local : undefined);
  return record(
    environment,
    () => platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode: lambdaCode("lambdas") }),
    made,
  );
}

/** The same after an update, in which nothing is unknown and what refers to something has its id, ARN or accessor. */
export async function realState(environment: (typeof environments)[number]): Promise<Declared[]> {
  const { aws } = derive(catalogue, environment, environment === "local" ? local : undefined);
  const program = await realProgram(environment, madeIn(aws ?? local.aws));
  // What a mount or a method is known by is its own output, which the state holds beside its arguments.
  return program.map((resource) => {
    const own = /AuthBackend$/.test(resource.type)
      ? { accessor: `accessor-of-${resource.name}` }
      : resource.type.endsWith(":MfaTotp") && { methodId: `method-of-${resource.name}` };
    return { ...resource, inputs: { ...resource.inputs, ...own } };
  });
}
