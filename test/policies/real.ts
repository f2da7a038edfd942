import { platform } from "../../infra/index.ts";
import { lambdaCode } from "../../infra/lambda-code.ts";
import { type RecordedResource, record } from "../../infra/record.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Declared } from "../../policies/resource.ts";
import { recordMade } from "./made.ts";

export const environments = ["local", "staging", "production"] as const;

const catalogue = await loadCatalogue("catalogue");

/** What the local stack fills in when it starts. */
export const local = {
  github: {
    issuer: "https://127.0.0.1:8443",
    certificate: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
  },
  vault: {
    audit: {
      first: { type: "file" as const, path: "/var/lib/keyplane/first/audit.log" },
      second: { type: "file" as const, path: "/var/lib/keyplane/second/audit.log" },
    },
  },
  aws: { account: "000000000000", region: "eu-west-1", emulator: "http://127.0.0.1:4566" },
};

type Environment = (typeof environments)[number];

function shipped(environment: Environment) {
  const model = derive(catalogue, environment, environment === "local" ? local : undefined);
  const declare = () =>
    platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode: lambdaCode("lambdas") });
  return { declare, place: model.aws ?? local.aws };
}

/** The shipped program of an environment, as a first preview would see it. */
export function realProgram(environment: Environment): Promise<Declared[]> {
  return record(environment, shipped(environment).declare);
}

/** The same after an update, in which nothing is unknown and what refers to something has its id, ARN or accessor. */
export function realState(environment: Environment): Promise<RecordedResource[]> {
  const { declare, place } = shipped(environment);
  return recordMade(environment, declare, place);
}
