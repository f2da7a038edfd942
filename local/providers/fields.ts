/** A property value as it travels over the engine's protocol: JSON. */
export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
export type Properties = Record<string, Value>;

/** What the engine sends for a value that a preview cannot know yet. */
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** One property of a resource type: how it looks, how Vault calls it and what Vault assumes without it. */
export interface Field {
  readonly kind: "text" | "number" | "flag" | "list" | "set" | "map" | "block" | "blocks" | "archive";
  /** Name in Vault's API; the property's name in snake case when absent. */
  readonly api?: string;
  readonly required?: true;
  /** A change needs another resource. */
  readonly replace?: true;
  /** Vault never returns it: the state's value is the last one written, and drift in it is not seen. */
  readonly writeOnly?: true;
  /** Not part of the request that writes the object (its address, or written by another request). */
  readonly local?: true;
  /** The value that Vault assumes; a field's zero ("" 0 false [] {}) when absent. */
  readonly otherwise?: Value;
  /** Vault chooses a value when none is declared: an undeclared one is reported and never a difference. */
  readonly chosen?: true;
  /** The properties of a block. */
  readonly fields?: Fields;
  /** The properties of each of several blocks. */
  readonly items?: Fields;
  /** Makes two ways to write the same text (or the same item of a set) equal. */
  readonly normal?: (value: string) => string;
  /** Why a text is not served, or undefined. */
  readonly refused?: (value: string) => string | undefined;
}

/** Every property that is served of a type whose declared arguments are `Args`: the compiler checks the names. */
export type Fields<Args = Record<string, unknown>> = { readonly [K in keyof Args]?: Field };

type Options = Omit<Field, "kind" | "fields" | "items">;
/** The kinds of fields, each with the options that set it apart. */
export const text = (options: Options = {}): Field => ({ ...options, kind: "text" });
export const number = (options: Options = {}): Field => ({ ...options, kind: "number" });
export const flag = (options: Options = {}): Field => ({ ...options, kind: "flag" });
export const list = (options: Options = {}): Field => ({ ...options, kind: "list" });
export const set = (options: Options = {}): Field => ({ ...options, kind: "set" });
export const map = (options: Options = {}): Field => ({ ...options, kind: "map" });
/** A nested object with fields of its own, whose names the compiler checks against `Args`. */
export const block = <Args>(fields: Fields<Args>, options: Options = {}): Field => ({
  ...options,
  kind: "block",
  fields: fields as Fields,
});

/** A list of such objects, in their order. */
export const blocks = <Args>(fields: Fields<Args>, options: Options = {}): Field => ({
  ...options,
  kind: "blocks",
  items: fields as Fields,
});
/** A folder of files, which the engine tells by a hash of them. */
export const archive = (options: Options = {}): Field => ({ ...options, kind: "archive" });

/** `maxLeaseTtl` → `max_lease_ttl` */
function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** What Vault's API calls a property. */
function apiName(name: string, field: Field): string {
  return field.api ?? snake(name);
}

/** The entries of a table of fields (whose type allows absent ones). */
export function entriesOf(fields: Fields): [string, Field][] {
  return Object.entries(fields).filter((entry): entry is [string, Field] => entry[1] !== undefined);
}

/** What Vault assumes of a field that is not declared; its `otherwise`, else the empty value of its kind. */
export function zero(field: Field): Value {
  if (field.otherwise !== undefined) return field.otherwise;
  switch (field.kind) {
    case "text":
      return "";
    case "number":
      return 0;
    case "flag":
      return false;
    case "list":
    case "set":
    case "blocks":
      return [];
    case "map":
    case "block":
    case "archive":
      return {};
  }
}

/** The one way to write a value of a field, for comparing and for the state. Null and undefined are its zero. */
export function normalised(field: Field, value: Value | undefined): Value {
  if (value === undefined || value === null) return zero(field);
  if (value === unknown) return value;
  if (field.kind === "set" && Array.isArray(value)) {
    const same = field.normal ?? ((item: string) => item);
    return [...new Set(value.map((item) => same(String(item))))].sort();
  }
  if (field.kind === "blocks" && Array.isArray(value)) {
    return value.map((item) =>
      isObject(item)
        ? Object.fromEntries(
            entriesOf(field.items ?? {}).map(([name, inner]) => [name, normalisedWithin(inner, item[name])]),
          )
        : item,
    );
  }
  // The engine's hash says what is in it, wherever the folder lies.
  if (field.kind === "archive" && isObject(value)) return value.hash ?? "";
  if (field.kind === "map" && isObject(value)) {
    const keys = Object.keys(value).sort();
    return Object.fromEntries(keys.map((key) => [key, String(value[key])]));
  }
  if (field.kind === "text" && typeof value === "string" && field.normal !== undefined) {
    return field.normal(value);
  }
  return value;
}

/** The same of a property of a block, which may be a block itself. */
function normalisedWithin(field: Field, value: Value | undefined): Value {
  if (field.fields === undefined) return normalised(field, value);
  const inner = isObject(value) ? value : {};
  return Object.fromEntries(
    entriesOf(field.fields).map(([name, each]) => [name, normalisedWithin(each, inner[name])]),
  );
}

/** Whether a value is an object: neither null nor a list. */
export function isObject(value: Value | undefined): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is wrong with a declared value, or undefined. Never repeats the value: it may be a secret. */
export function misfit(field: Field, value: Value): string | undefined {
  if (value === null || value === unknown) return undefined;
  switch (field.kind) {
    case "text":
      return typeof value === "string" ? field.refused?.(value) : "must be a string";
    case "number":
      return typeof value === "number" ? undefined : "must be a number";
    case "flag":
      return typeof value === "boolean" ? undefined : "must be true or false";
    case "list":
    case "set":
      return Array.isArray(value) && value.every((item) => typeof item === "string")
        ? undefined
        : "must be a list of strings";
    case "map":
      return isObject(value) && Object.values(value).every((item) => typeof item === "string")
        ? undefined
        : "must be an object of strings";
    case "block":
      return isObject(value) ? undefined : "must be an object";
    case "blocks":
      return Array.isArray(value) && value.every(isObject) ? undefined : "must be a list of objects";
    case "archive":
      return isObject(value) && typeof value.path === "string"
        ? undefined
        : "must be the archive of a folder";
  }
}

/** The body of a request: every given field under Vault's name, blocks and local ones left out. */
export function toVault(fields: Fields, inputs: Properties): Record<string, Value> {
  const body: Record<string, Value> = {};
  for (const [name, field] of entriesOf(fields)) {
    const value = inputs[name];
    if (field.local || field.kind === "block" || value === undefined || value === null) continue;
    body[apiName(name, field)] = normalised(field, value);
  }
  return body;
}

/** The properties in what Vault returned; fields that it does not return are left out. */
export function fromVault(fields: Fields, data: Record<string, unknown>): Properties {
  const properties: Properties = {};
  for (const [name, field] of entriesOf(fields)) {
    if (field.local || field.writeOnly || field.kind === "block") continue;
    properties[name] = normalised(field, data[apiName(name, field)] as Value | undefined);
  }
  return properties;
}
