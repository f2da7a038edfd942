/** One sample of Prometheus' text format. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?[ \t]+(\S+)/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"/g;

/**
 * The samples of a metrics endpoint; comments and what is no sample are passed over.
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
export function samplesIn(text: string): Sample[] {
  return text.split("\n").flatMap((each): Sample[] => {
    const [, name, labels = "", value = ""] = line.exec(each.trim()) ?? [];
    if (name === undefined) return [];
    const number = Number(value.replace(/^([+-]?)Inf$/, "$1Infinity"));
    if (Number.isNaN(number)) return [];
    const pairs = [...labels.matchAll(label)].map(([, key = "", quoted = ""]) => [
      key,
      quoted.replace(/\\(.)/g, (_, character: string) => (character === "n" ? "\n" : character)),
    ]);
    return [{ name, labels: Object.fromEntries(pairs), value: number }];
  });
}
