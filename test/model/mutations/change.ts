/**
 * Changes to a right catalogue whose outcome is known by how they are made: an oracle that shares nothing with
 * the schema and the checks. Each works on plain data or on text and says whether the result is still right.
 */
export type Data = { [key: string]: Value };
export type Value = string | number | boolean | null | Value[] | Data;
/** File → its data. */
export type Files = Record<string, Data>;
/** A number from 0 below `limit`, chosen by the test. */
export type Draw = (limit: number) => number;

/** Undefined where it does not apply. A function changes the file's text after it was written. */
export type Change = (
  files: Files,
  draw: Draw,
) => undefined | "done" | ((texts: Record<string, string>) => void);

export interface Mutation {
  name: string;
  right: boolean;
  change: Change;
}

export function pick<T>(items: T[], draw: Draw): T | undefined {
  return items.length === 0 ? undefined : items[draw(items.length)];
}

export function isData(value: Value | undefined): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Mappings at a path in which "*" stands for every name. */
function all(files: Files, file: "organization" | "system", path: string): Data[] {
  const roots = Object.entries(files)
    .filter(([name]) => (name === "organization.yaml") === (file === "organization"))
    .map(([, data]) => data);
  let found: Value[] = roots;
  for (const step of path === "" ? [] : path.split("/")) {
    found = found.flatMap((value): Value[] => {
      if (!isData(value)) return [];
      if (step === "*") return Object.values(value);
      const inner = value[step];
      return inner === undefined ? [] : [inner];
    });
  }
  return found.filter(isData);
}

export const system = (path: string) => (files: Files) => all(files, "system", path);
export const organization = (path: string) => (files: Files) => all(files, "organization", path);
export type Select = (files: Files) => Data[];

/** Sets a field somewhere it stands, or anywhere when `always`. */
export function set(
  select: Select,
  field: string,
  value: (before: Value | undefined, draw: Draw) => Value | undefined,
  always = false,
): Change {
  return (files, draw) => {
    const data = pick(
      select(files).filter((d) => always || Object.hasOwn(d, field)),
      draw,
    );
    const next = data && value(data[field], draw);
    if (data === undefined || next === undefined) return undefined;
    data[field] = next;
    return "done";
  };
}

export function remove(select: Select, field: string): Change {
  return (files, draw) => {
    const data = pick(
      select(files).filter((d) => Object.hasOwn(d, field)),
      draw,
    );
    if (data === undefined) return undefined;
    delete data[field];
    return "done";
  };
}

export function rename(data: Data, from: string, to: string): void {
  const entries = Object.entries(data).map(([key, value]): [string, Value] => [
    key === from ? to : key,
    value,
  ]);
  for (const key of Object.keys(data)) delete data[key];
  for (const [key, value] of entries) data[key] = value;
}

export function renameKey(select: Select, to: (before: string, draw: Draw) => string): Change {
  return (files, draw) => {
    const data = pick(
      select(files).filter((d) => Object.keys(d).length > 0),
      draw,
    );
    const key = data && pick(Object.keys(data), draw);
    if (data === undefined || key === undefined) return undefined;
    rename(data, key, to(key, draw));
    return "done";
  };
}

export function edit(change: (text: string, draw: Draw) => string): Change {
  return (files, draw) => {
    const file = pick(Object.keys(files), draw) ?? "";
    return (texts) => {
      texts[file] = change(texts[file] ?? "", draw);
    };
  };
}

export const fresh = (draw: Draw) => `n${draw(1_000_000_000).toString(36)}`;
/** A name that `fresh` never makes: what a wrong mutation names is there by no right one before it. */
export const unknown = (draw: Draw) => `q${draw(1_000_000_000).toString(36)}`;
export const VARIABLE = (draw: Draw) => `V${draw(1_000_000_000).toString(36).toUpperCase()}`;
