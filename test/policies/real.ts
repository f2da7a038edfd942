import { platform } from "../../infra/index.ts";
import { lambdaCode } from "../../infra/lambda-code.ts";
import { record, unknown } from "../../infra/record.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";
import type { Declared } from "../../policies/resource.ts";

export const environments = ["local", "staging", "production"] as const;

const catalogue = await loadCatalogue("catalogue");

/** What the local stack fills in when it starts. */
const local = {
  vault: {
    audit: {
      first: { type: "file" as const, path: "/var/lib/keyplane/first/audit.log" },
      second: { type: "file" as const, path: "/var/lib/keyplane/second/audit.log" },
    },
  },
  aws: { account: "000000000000", region: "eu-west-1", emulator: "http://127.0.0.1:4566" },
};

/** The shipped program of an environment, as a first preview would see it. */
export function realProgram(environment: (typeof environments)[number]): Promise<Declared[]> {
  const model = derive(catalogue, environment, environment === "local" ? local : undefined);
  return record(environment, () =>
    platform(model, { part: "all", bootstrapPasswords: {}, lambdaCode: lambdaCode("lambdas") }),
  );
}

/**
 * The same after an update: what only an update makes known is a text of its own per resource, and refers to it, as
 * Vault's ids and accessors do.
 */
export async function realState(environment: (typeof environments)[number]): Promise<Declared[]> {
  const program = await realProgram(environment);
  const login = program.find(({ type, inputs }) => /AuthBackend$/.test(type) && isHuman(inputs.type));
  const ids = new Map(
    program
      .filter(({ type }) => type === "vault:identity/entity:Entity")
      .map(({ name }) => [name, `id-of-${name}`]),
  );
  const model = derive(catalogue, environment, environment === "local" ? local : undefined);
  return program.map(made).map((resource) => {
    const { type, name, inputs } = resource;
    const more = (outputs: object) => ({ ...resource, inputs: { ...inputs, ...outputs } });
    if (/AuthBackend$/.test(type)) return more({ accessor: `accessor-of-${name}` });
    if (type.endsWith(":EntityAlias")) {
      return more({ canonicalId: ids.get(name), mountAccessor: `accessor-of-${login?.name}` });
    }
    if (type === "vault:identity/group:Group") {
      const members = model.groups.find((group) => group.name === name)?.members ?? [];
      return more({ memberEntityIds: members.map((member) => ids.get(member)) });
    }
    if (type.endsWith(":MfaLoginEnforcement")) {
      return more({
        authMethodAccessors: [`accessor-of-${login?.name}`],
        mfaMethodIds: ["method-of-people-totp"],
      });
    }
    if (type.endsWith(":MfaTotp")) return more({ methodId: `method-of-${name}` });
    return resource;
  });
}

/** Everything that AWS makes known in an update is an ARN or a name here. */
function made(resource: Declared): Declared {
  if (!resource.type.startsWith("aws:")) return resource;
  const known = (value: unknown): unknown => {
    if (value === unknown) return "arn:aws:made-by-the-update";
    if (Array.isArray(value)) return value.map(known);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, known(item)]));
  };
  return { ...resource, inputs: known(resource.inputs) as Declared["inputs"] };
}

function isHuman(type: unknown): boolean {
  return type === "userpass" || type === "oidc";
}
