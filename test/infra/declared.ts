import { runtime } from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import { disconnect, getMonitor } from "@pulumi/pulumi/runtime/settings.js";

const { specialSigKey: signature, specialSecretSig: secret } = runtime;

type Plain = string | number | boolean | null | Plain[] | { [key: string]: Plain };

export interface Declared {
  urn: string;
  type: string;
  name: string;
  /** The declared arguments, secrets unwrapped. */
  inputs: Record<string, Plain>;
  /** Paths of the arguments that are marked as secrets. */
  secrets: string[];
  protect: boolean;
  retainOnDelete: boolean;
  ignoreChanges: string[];
  /** URNs. */
  dependsOn: string[];
  deleteBeforeReplace: boolean;
  /** What replaces it when it becomes another. */
  replacementTrigger: unknown;
}

/** What a program declared, under Pulumi's mocks. Two resources of the same URN are an error, as in the engine. */
export class Declaration {
  readonly resources: Declared[] = [];

  of(type: string): Declared[] {
    return this.resources.filter((resource) => resource.type === type);
  }

  one(type: string, name: string): Declared {
    const found = this.of(type).filter((resource) => resource.name === name);
    const [only] = found;
    if (only === undefined || found.length > 1) {
      const names = this.of(type).map((resource) => resource.name);
      throw new Error(`${found.length} resources ${type} "${name}"; there are: ${names.join(", ")}`);
    }
    return only;
  }
}

/** Runs a program under mocks and returns what it declared once everything is registered. */
export async function declared(program: () => void | Promise<void>): Promise<Declaration> {
  const declaration = new Declaration();
  const duplicates: string[] = [];
  await runtime.setMocks(
    {
      call: ({ token }) => {
        throw new Error(`the program calls ${token}: it is a function of the model alone`);
      },
      newResource: ({ type, name, inputs }) => ({
        id: `${name}-id`,
        state: {
          ...inputs,
          accessor: `${type}-accessor`,
          methodId: `${name}-method`,
          ...(type.startsWith("aws:") && {
            arn: `arn-of-${name}`,
            keyId: `${name}-id`,
            uniqueId: `unique-id-of-${name}`,
          }),
        },
      }),
    },
    "keyplane",
    "local",
  );
  // The mocks hide options and secrets from newResource: the request itself has them.
  const monitor = getMonitor() as unknown as {
    registerResource(request: RegisterResourceRequest, callback: unknown): Promise<void>;
  };
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    const secrets: string[] = [];
    const inputs = unwrapped((request.getObject()?.toJavaScript() ?? {}) as Plain, "", secrets);
    const parent = request.getParent();
    const within = parent === "" ? "" : `${parent.split("::")[2]}$`;
    const urn = `urn:pulumi:local::keyplane::${within}${request.getType()}::${request.getName()}`;
    if (declaration.resources.some((other) => other.urn === urn)) duplicates.push(urn);
    declaration.resources.push({
      urn,
      type: request.getType(),
      name: request.getName(),
      inputs: inputs as Record<string, Plain>,
      secrets,
      protect: request.getProtect() === true,
      retainOnDelete: request.getRetainondelete() === true,
      ignoreChanges: request.getIgnorechangesList(),
      dependsOn: request.getDependenciesList(),
      deleteBeforeReplace: request.getDeletebeforereplace() === true,
      replacementTrigger: request.getReplacementTrigger()?.toJavaScript(),
    });
    return register(request, callback);
  };
  try {
    await program();
  } finally {
    // Waits for every registration that is under way.
    await disconnect();
  }
  if (duplicates.length > 0) throw new Error(`declared twice: ${duplicates.join(", ")}`);
  return declaration;
}

function unwrapped(value: Plain, path: string, secrets: string[]): Plain {
  if (Array.isArray(value)) return value.map((item, index) => unwrapped(item, `${path}[${index}]`, secrets));
  if (typeof value !== "object" || value === null) return value;
  // Folders of code are marked as well, by another text.
  if (value[signature] === secret) {
    secrets.push(path);
    return unwrapped(value.value ?? null, path, secrets);
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      unwrapped(item, path === "" ? key : `${path}.${key}`, secrets),
    ]),
  );
}
