import {
  entriesOf,
  type Field,
  type Fields,
  isObject,
  misfit,
  normalised,
  type Properties,
  unknown,
  type Value,
  zero,
} from "./fields.ts";
import type { Kind } from "./kind.ts";

export interface Failure {
  property: string;
  reason: string;
}

export interface Difference {
  /** Paths of changed properties, e.g. `tune.maxLeaseTtl`. */
  changed: string[];
  /** Those of them that need another resource. */
  replaced: string[];
}

export interface State {
  id: string;
  outputs: Properties;
}

/** What the engine asks of a provider, without the wire: a table of kinds and the client they act with. */
export class Provider<Client> {
  readonly #kinds: Map<string, Kind<Client>>;
  readonly #client: () => Client;

  constructor(kinds: readonly Kind<Client>[], client: () => Client) {
    this.#kinds = new Map(kinds.map((kind) => [kind.type, kind]));
    this.#client = client;
  }

  /** The kind of a resource type; throws for a type that is not served. */
  kind(type: string): Kind<Client> {
    const found = this.#kinds.get(type);
    if (found === undefined) {
      throw new Error(
        `The local provider does not serve ${type}: add it to the tables in local/providers, or run with --providers official`,
      );
    }
    return found;
  }

  check(type: string, inputs: Properties): Failure[] {
    return failuresOf(type, this.kind(type).fields, inputs, "");
  }

  diff(type: string, oldInputs: Properties, oldOutputs: Properties, inputs: Properties): Difference {
    const changed: string[] = [];
    const replaced: string[] = [];
    compare(this.kind(type).fields, oldInputs, oldOutputs, inputs, "", (path, field) => {
      changed.push(path);
      if (field.replace) replaced.push(path);
    });
    return { changed, replaced };
  }

  async create(type: string, inputs: Properties): Promise<State> {
    const kind = this.kind(type);
    return guarded(kind, inputs, async () => {
      const client = this.#client();
      const id = await kind.create(client, inputs);
      const live = await kind.read(client, id, inputs);
      if (live === undefined) throw new Error(`${id}: the system has lost what it has just accepted`);
      return { id, outputs: outputsOf(kind, inputs, live) };
    });
  }

  /** What a creation will return, as far as it is known before. */
  preview(type: string, inputs: Properties): Properties {
    const kind = this.kind(type);
    const open = entriesOf(kind.fields).flatMap(([name, field]) => (field.chosen ? [name] : []));
    return {
      ...Object.fromEntries([...kind.computed, ...open].map((name) => [name, unknown])),
      ...outputsOf(kind, inputs, {}),
      ...inputs,
    };
  }

  /** The live state; undefined when the object is gone. */
  async read(
    type: string,
    id: string,
    state: Properties,
    inputs: Properties,
  ): Promise<(State & { inputs: Properties }) | undefined> {
    const kind = this.kind(type);
    if (Object.keys(state).length === 0) {
      throw new Error(`${id}: the local provider does not import; declare the resource and run \`up\``);
    }
    return guarded(kind, inputs, async () => {
      const live = await kind.read(this.#client(), id, state);
      if (live === undefined) return undefined;
      const outputs = outputsOf(kind, state, live);
      return { id, outputs, inputs: refreshed(kind.fields, inputs, outputs) };
    });
  }

  async update(
    type: string,
    id: string,
    oldInputs: Properties,
    oldOutputs: Properties,
    inputs: Properties,
  ): Promise<Properties> {
    const kind = this.kind(type);
    const { changed } = this.diff(type, oldInputs, oldOutputs, inputs);
    return guarded(kind, inputs, async () => {
      const client = this.#client();
      await kind.update(client, id, completed(kind.fields, inputs, changed, ""), changed);
      const live = await kind.read(client, id, inputs);
      if (live === undefined) throw new Error(`${id} is gone; run \`pulumi refresh\` and update again`);
      return outputsOf(kind, inputs, live);
    });
  }

  async delete(type: string, id: string, state: Properties): Promise<void> {
    const kind = this.kind(type);
    await guarded(kind, state, () => kind.delete(this.#client(), id, state));
  }
}

function failuresOf(type: string, fields: Fields, inputs: Properties, prefix: string): Failure[] {
  const known = new Map(entriesOf(fields));
  const failures: Failure[] = [];
  for (const [name, value] of Object.entries(inputs)) {
    const field = known.get(name);
    const property = prefix + name;
    if (field === undefined) {
      failures.push({ property, reason: `the local provider does not serve this property of ${type}` });
      continue;
    }
    const reason = misfit(field, value);
    if (reason !== undefined) failures.push({ property, reason });
    else if (field.fields !== undefined && isObject(value)) {
      failures.push(...failuresOf(type, field.fields, value, `${property}.`));
    } else if (field.items !== undefined && Array.isArray(value)) {
      for (const [index, item] of value.entries()) {
        if (isObject(item)) failures.push(...failuresOf(type, field.items, item, `${property}[${index}].`));
      }
    }
  }
  for (const [name, field] of known) {
    if (field.required && (inputs[name] === undefined || inputs[name] === null)) {
      failures.push({ property: prefix + name, reason: "is required" });
    }
  }
  return failures;
}

function compare(
  fields: Fields,
  oldInputs: Properties,
  oldOutputs: Properties,
  inputs: Properties,
  prefix: string,
  report: (path: string, field: Field) => void,
): void {
  for (const [name, field] of entriesOf(fields)) {
    const path = prefix + name;
    const wanted = inputs[name];
    if (field.fields !== undefined && wanted !== unknown) {
      compare(
        field.fields,
        objectOr(oldInputs[name]),
        objectOr(oldOutputs[name]),
        objectOr(wanted),
        `${path}.`,
        report,
      );
      continue;
    }
    const declared = wanted !== undefined && wanted !== null;
    if (!declared && (field.chosen || field.writeOnly) && oldInputs[name] === undefined) continue;
    const had = normalised(field, oldOutputs[name]);
    if (JSON.stringify(normalised(field, wanted)) !== JSON.stringify(had)) report(path, field);
  }
}

/** The inputs with every changed but undeclared field at its zero, so that an update puts it back. */
function completed(
  fields: Fields,
  inputs: Properties,
  changed: readonly string[],
  prefix: string,
): Properties {
  const all: Properties = { ...inputs };
  for (const [name, field] of entriesOf(fields)) {
    const path = prefix + name;
    if (field.fields !== undefined) {
      if (changed.some((other) => other.startsWith(`${path}.`))) {
        all[name] = completed(field.fields, objectOr(inputs[name]), changed, `${path}.`);
      }
    } else if (all[name] === undefined && changed.includes(path)) all[name] = zero(field);
  }
  return all;
}

/** The live values, and from the state what cannot be read: addresses and write-only values. */
function outputsOf(kind: { fields: Fields }, state: Properties, live: Properties): Properties {
  return { ...kept(kind.fields, state), ...merged(kind.fields, state, live) };
}

function merged(fields: Fields, state: Properties, live: Properties): Properties {
  const outputs: Properties = { ...live };
  for (const [name, field] of entriesOf(fields)) {
    if (field.fields === undefined || (live[name] === undefined && state[name] === undefined)) continue;
    const before = objectOr(state[name]);
    outputs[name] = { ...kept(field.fields, before), ...objectOr(live[name]) };
  }
  return outputs;
}

function kept(fields: Fields, state: Properties): Properties {
  const properties: Properties = {};
  for (const [name, field] of entriesOf(fields)) {
    const value = state[name];
    if ((field.local || field.writeOnly) && value !== undefined) {
      properties[name] = field.fields === undefined ? normalised(field, value) : value;
    }
  }
  return properties;
}

/** The inputs as the live state would have them declared, so that the next update sees what drifted. */
function refreshed(fields: Fields, inputs: Properties, outputs: Properties): Properties {
  const fresh: Properties = {};
  for (const [name, field] of entriesOf(fields)) {
    const live = outputs[name];
    const before = inputs[name];
    if (field.fields !== undefined) {
      const inner = refreshed(field.fields, objectOr(before), objectOr(live));
      if (before !== undefined || Object.keys(inner).length > 0) fresh[name] = inner;
    } else if (before !== undefined) {
      const same =
        live === undefined ||
        JSON.stringify(normalised(field, before)) === JSON.stringify(normalised(field, live));
      fresh[name] = same ? before : live;
    } else if (live !== undefined && !field.chosen && !field.local && !field.writeOnly) {
      if (JSON.stringify(live) !== JSON.stringify(normalised(field, zero(field)))) fresh[name] = live;
    }
  }
  return fresh;
}

function objectOr(value: Value | undefined): Properties {
  return isObject(value) ? value : {};
}

/** Runs an action; no write-only value appears in the message of an error that leaves here. */
async function guarded<T>(kind: { fields: Fields }, inputs: Properties, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(redacted(message, secretsOf(kind.fields, inputs)));
  }
}

function secretsOf(fields: Fields, inputs: Properties): string[] {
  return entriesOf(fields).flatMap(([name, field]) => {
    const value = inputs[name];
    if (field.fields !== undefined) return secretsOf(field.fields, objectOr(value));
    return field.writeOnly && typeof value === "string" && value !== "" ? [value] : [];
  });
}

function redacted(message: string, secrets: readonly string[]): string {
  return secrets.reduce((text, secret) => text.replaceAll(secret, "[REDACTED]"), message);
}
