import { stringify } from "yaml";
import type { Model } from "../../model/model.ts";
import type { Section } from "./document.ts";

/** What one variable of one service must be in the bootstrap. */
export type Expected =
  | { section: "defaults"; value: string }
  | { section: "toggles"; value: boolean }
  /** Where a secret is meant: its reference, never its value (R3). */
  | { section: "secrets"; value: string; secret: string };

/** Service → variable → what the catalogue says it is. Ordered. */
export type Content = Map<string, Map<string, Expected>>;

/** Everything that the bootstrap of an environment holds, and nothing else: settings, and references to secrets. */
export function contentOf(model: Pick<Model, "services" | "secrets" | "settings" | "vault">): Content {
  const content: Content = new Map();
  for (const service of model.services) {
    if (service.retired !== undefined) continue;
    const variables: [string, Expected][] = [];
    for (const { name, value, services } of model.settings) {
      if (services.includes(service.id)) variables.push([name, setting(value)]);
    }
    for (const { id: secret, consumers } of model.secrets) {
      for (const consumer of consumers) {
        if (consumer.kind !== "service" || consumer.id !== service.id) continue;
        for (const [variable, field] of Object.entries(consumer.as)) {
          const value = `vault:${model.vault.mounts.kv}/${consumer.path}#${field}`;
          variables.push([variable, { section: "secrets", value, secret }]);
        }
      }
    }
    if (variables.length > 0)
      content.set(service.id, new Map(variables.toSorted(([a], [b]) => (a < b ? -1 : 1))));
  }
  return content;
}

function setting(value: string): Expected {
  return value === "true" || value === "false"
    ? { section: "toggles", value: value === "true" }
    : { section: "defaults", value };
}

/** The bootstrap in clear, as YAML; what sops encrypts. */
export function render(content: Content): string {
  const services: Record<string, Partial<Record<Section, Record<string, string | boolean>>>> = {};
  for (const [service, variables] of content) {
    const sections: (typeof services)[string] = {};
    for (const section of ["defaults", "toggles", "secrets"] as const) {
      const own = [...variables].filter(([, expected]) => expected.section === section);
      if (own.length > 0)
        sections[section] = Object.fromEntries(own.map(([name, { value }]) => [name, value]));
    }
    services[service] = sections;
  }
  return stringify({ services }, { lineWidth: 0 });
}

/** A reference may be pinned to a version, e.g. "…#key@12" (R36). */
const pin = /^@[1-9][0-9]{0,5}$/;
const longestPin = "@123456".length;

/** Whether a value is what is expected. */
export function isExpected(value: unknown, expected: Expected): boolean {
  if (value === expected.value) return true;
  if (expected.section !== "secrets" || typeof value !== "string") return false;
  return value.startsWith(expected.value) && pin.test(value.slice(expected.value.length));
}

/** Whether so many bytes in clear can be what is expected: all that an encrypted text tells. */
export function canBe(bytes: number, expected: Expected): boolean {
  const extra = bytes - Buffer.byteLength(String(expected.value));
  return extra === 0 || (expected.section === "secrets" && extra >= 2 && extra <= longestPin);
}
