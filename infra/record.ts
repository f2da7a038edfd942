import { runtime } from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import { disconnect, getMonitor } from "@pulumi/pulumi/runtime/settings.js";
import { withoutTraces } from "./without-traces.ts";

/** Marks a special value on Pulumi's wire, and what marks a secret. */
const { specialSigKey: signature, specialSecretSig: secret } = runtime;

/** What stands in a record for a value that only an update makes known. */
export const unknown: unique symbol = Symbol.for("keyplane.unknown");

export type Recorded =
  | string
  | number
  | boolean
  | null
  | typeof unknown
  | Recorded[]
  | { [key: string]: Recorded };

/** A resource as a program declares it, before any engine or provider has seen it. */
export interface RecordedResource {
  urn: string;
  type: string;
  name: string;
  /** URN of the component that it is a part of; "" without one. */
  parent: string;
  /** The arguments, secrets unwrapped. */
  inputs: { [key: string]: Recorded };
  /** Paths of the arguments that are marked as secrets. */
  secrets: string[];
  protect: boolean;
  retainOnDelete: boolean;
  ignoreChanges: string[];
}

/** The part of the engine that a program speaks to, as the SDK calls it. */
interface Monitor {
  registerResource(request: RegisterResourceRequest, callback: (error: null, response: object) => void): void;
  registerResourceOutputs(request: unknown, callback: (error: null, response: object) => void): void;
}

/** What an update would make known of a resource: its id, and its outputs beside its arguments. */
export type Made = (resource: {
  type: string;
  name: string;
  inputs: { readonly [key: string]: unknown };
}) => { id: string; outputs?: { readonly [key: string]: unknown } };

/**
 * Runs a program as a preview of a stack that does not exist yet would, without an engine, a provider or a network,
 * and returns what it declares. What only an update makes known (ids, accessors) is `unknown`, or what `made` says of
 * it. One at a time: the SDK's settings are the process's.
 * @throws what the program throws, and for two resources of one URN, as the engine does
 */
export async function record(
  stack: string,
  program: () => void | Promise<void>,
  made?: Made,
): Promise<RecordedResource[]> {
  const resources: RecordedResource[] = [];
  const urns = new Set<string>();
  const twice: string[] = [];
  const unused = async () => {
    throw new Error("the program calls a function or reads a resource: it is a function of the model alone");
  };
  await runtime.setMocks({ call: unused, newResource: unused }, "keyplane", stack, made === undefined);
  // The mocks hide options and secrets, and turn every value over three times: the request is answered here.
  const monitor = getMonitor() as unknown as Monitor;
  monitor.registerResource = (request, callback) => {
    const type = request.getType();
    const name = request.getName();
    const parent = request.getParent();
    const within = parent === "" ? "" : `${parent.split("::")[2]}$`;
    const urn = `urn:pulumi:${stack}::keyplane::${within}${type}::${name}`;
    if (urns.has(urn)) twice.push(urn);
    urns.add(urn);
    const secrets: string[] = [];
    const sent = (request.getObject()?.toJavaScript() ?? {}) as RecordedResource["inputs"];
    const inputs = plain(sent, "", secrets) as RecordedResource["inputs"];
    resources.push({
      urn,
      type,
      name,
      parent,
      inputs,
      secrets,
      protect: request.getProtect() === true,
      retainOnDelete: request.getRetainondelete() === true,
      ignoreChanges: request.getIgnorechangesList(),
    });
    // Outputs that are not inputs are left out: in a preview the SDK takes them for unknown.
    const { id, outputs } = made?.({ type, name, inputs }) ?? {};
    callback(null, {
      getUrn: () => urn,
      getId: () => id,
      getObject: () => ({ toJavaScript: () => ({ ...sent, ...outputs }) }),
      getPropertydependenciesMap: () => undefined,
      getResult: () => 0,
      getUnknown: () => false,
    });
  };
  monitor.registerResourceOutputs = (_, callback) => callback(null, {});
  try {
    await withoutTraces(program);
  } finally {
    // Waits for every registration that is under way.
    await disconnect();
  }
  if (twice.length > 0) throw new Error(`declared twice: ${twice.join(", ")}`);
  return resources;
}

/** A value off the wire, in which secrets are wrapped and what is not known is a text of its own. */
function plain(value: Recorded, path: string, secrets: string[]): Recorded {
  if (value === runtime.unknownValue) return unknown;
  if (Array.isArray(value)) return value.map((item, index) => plain(item, `${path}[${index}]`, secrets));
  if (typeof value !== "object" || value === null) return value;
  // Folders of code are marked as well, by another text.
  if (value[signature] === secret) {
    secrets.push(path);
    return plain(value.value ?? null, path, secrets);
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      plain(item, path === "" ? key : `${path}.${key}`, secrets),
    ]),
  );
}
