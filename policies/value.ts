// How rules read properties. What is not of the asked form is absent: a rule then says that it is missing.

export function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

export function record(value: unknown): { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as { readonly [key: string]: unknown })
    : {};
}

/** The texts of a list, in order; anything else in it is an empty text. */
export function texts(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value.map((item: unknown) => (typeof item === "string" ? item : ""));
}

/** How many a list has, without reading any: what only an update makes known counts as well. */
export function count(value: unknown): number {
  return Array.isArray(value) ? value.length : 0;
}

/** Records of a list. */
export function records(value: unknown): { readonly [key: string]: unknown }[] {
  if (!Array.isArray(value)) return [];
  return value.map((item: unknown) => record(item));
}

const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a number, or of a text as Vault writes it: "900", "15m", "1h30m". */
export function seconds(value: unknown): number | undefined {
  if (typeof value === "number") return number(value);
  if (typeof value !== "string" || value === "") return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  if (!/^(\d+[smhd])+$/.test(value)) return undefined;
  return [...value.matchAll(/(\d+)([smhd])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ""] ?? 0),
    0,
  );
}

/** Whether a time is set and at most so many seconds. */
export function bounded(value: unknown, most: number): boolean {
  const time = seconds(value);
  return time !== undefined && time > 0 && time <= most;
}
