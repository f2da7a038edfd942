import { createHash } from "node:crypto";
import { type RecordedResource, record } from "../../infra/record.ts";
import type { Declared } from "../../policies/resource.ts";

/** ARNs as AWS makes them, by type and name. */
function arnIn({ account, region }: { account: string; region: string }, type: string, name: string): string {
  const arn = (service: string, rest: string) => `arn:aws:${service}:${region}:${account}:${rest}`;
  const kinds: Record<string, () => string> = {
    "aws:kms/key:Key": () => arn("kms", `key/${uuid(name)}`),
    "aws:iam/role:Role": () => `arn:aws:iam::${account}:role/${name}`,
    "aws:lambda/function:Function": () => arn("lambda", `function:${name}`),
    "aws:sqs/queue:Queue": () => arn("sqs", name),
    "aws:sns/topic:Topic": () => arn("sns", name),
    "aws:cloudwatch/logGroup:LogGroup": () => arn("logs", `log-group:${name}`),
    "aws:secretsmanager/secret:Secret": () => arn("secretsmanager", `secret:${name}-AbCdEf`),
  };
  return kinds[type]?.() ?? arn("other", `${type.split(":").at(-1)}/${name}`);
}

/** Always the same of the same name. */
function uuid(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  );
}

/**
 * Records a program as it is after an update of an account of AWS: every id of its own form, the same every time. What a
 * mount or a method is known by stands beside its arguments, as in a state.
 */
export async function recordMade(
  stack: string,
  program: () => void,
  place: { account: string; region: string },
): Promise<RecordedResource[]> {
  const resources = await record(stack, program, ({ type, name, inputs }) => {
    if (!type.startsWith("aws:")) return { id: `id-of-${name}`, outputs: known(name) };
    const arn = arnIn(place, type, typeof inputs.name === "string" ? inputs.name : name);
    return {
      id: type.includes("secretsmanager") ? arn : name,
      outputs: { arn, keyId: uuid(name), uniqueId: `unique-id-of-${name}` },
    };
  });
  return resources.map((resource) => {
    const { accessor, methodId } = known(resource.name);
    const own = /AuthBackend$/.test(resource.type)
      ? { accessor }
      : resource.type.endsWith(":MfaTotp") && { methodId };
    return { ...resource, inputs: { ...resource.inputs, ...own } };
  });
}

/** What Vault makes known. */
const known = (name: string) => ({ accessor: `accessor-of-${name}`, methodId: `method-of-${name}` });

/** The resources as the engine exports a state. */
export function exported(resources: readonly (Declared & { parent: string; outputs?: object })[]) {
  return {
    version: 3,
    deployment: {
      manifest: { time: "2026-01-01T00:00:00Z", magic: "", version: "" },
      resources: resources.map(({ urn, type, inputs, outputs = inputs, parent, protect }) => {
        const custom = !/^(pulumi|keyplane):/.test(type);
        return {
          urn,
          custom,
          ...(custom && { id: urn }),
          type,
          inputs,
          outputs,
          protect,
          ...(parent !== "" && { parent }),
        };
      }),
    },
  };
}
