import { type AclPath, aclPath } from "./acl-path.ts";
import { AclTextError, aclTokens } from "./acl-tokens.ts";

/** A rule of an ACL policy, as its text says. */
export interface AclRule {
  path: string;
  /** The same, as the set of requests that it is for. */
  requests: AclPath;
  capabilities: string[];
  /** Names of its other settings, such as allowed_parameters. */
  settings: string[];
  /** Its answers are wrapped, for some time. */
  wrapped: boolean;
  /** Names that allowed_parameters admits; absent where it admits any. */
  parameters?: string[];
}

type Value = string | Value[] | Map<string, Value>;

/**
 * Reads the part of HCL that Vault's policies are written in: `path "…" { name = value … }`, comments, texts, lists
 * and maps. https://developer.hashicorp.com/vault/docs/concepts/policies
 * @throws AclTextError for everything else; Vault may understand more
 */
export function readAcl(policy: string): AclRule[] {
  const tokens = aclTokens(policy);
  let at = 0;
  const next = () => tokens[at++] ?? "";
  const expect = (wanted: string) => {
    const found = next();
    if (found !== wanted)
      throw new AclTextError(`expected ${wanted}, found ${found === "" ? "the end" : found}`);
  };
  const value = (): Value => {
    const token = next();
    if (token.startsWith('"')) return unquoted(token);
    if (/^\d+$/.test(token)) return token;
    if (token === "[") {
      const items: Value[] = [];
      while (tokens[at] !== "]") {
        items.push(value());
        if (tokens[at] === ",") at++;
        else if (tokens[at] !== "]") throw new AclTextError("a list does not end");
      }
      at++;
      return items;
    }
    if (token === "{") return body();
    throw new AclTextError(`${token === "" ? "the end" : token} is no value`);
  };
  const body = (): Map<string, Value> => {
    const entries = new Map<string, Value>();
    while (tokens[at] !== "}") {
      const key = next();
      if (key === "" || !/^("|[a-z_])/i.test(key)) throw new AclTextError(`${key || "the end"} is no name`);
      const name = key.startsWith('"') ? unquoted(key) : key;
      if (entries.has(name)) throw new AclTextError(`${name} stands twice`);
      expect("=");
      entries.set(name, value());
      if (tokens[at] === ",") at++;
    }
    at++;
    return entries;
  };
  const rules: AclRule[] = [];
  while (at < tokens.length) {
    expect("path");
    const path = next();
    if (!path.startsWith('"')) throw new AclTextError("path is not followed by a text");
    expect("{");
    rules.push(ruleOf(unquoted(path), body()));
  }
  return rules;
}

/**
 * What a path may say beside its capabilities. Vault knows more, and the old word `policy` adds capabilities to those that
 * are listed: what is not here is not judged, so the text is not read.
 * https://github.com/hashicorp/vault/blob/v1.21.1/vault/policy.go
 */
const judged = ["min_wrapping_ttl", "max_wrapping_ttl", "allowed_parameters"];

function ruleOf(path: string, said: Map<string, Value>): AclRule {
  const capabilities = said.get("capabilities");
  if (!Array.isArray(capabilities) || !capabilities.every((capability) => typeof capability === "string")) {
    throw new AclTextError(`the path "${path}" has no list of capabilities`);
  }
  const settings = said.size === 1 ? [] : [...said.keys()].filter((name) => name !== "capabilities");
  const odd = settings.filter((name) => !judged.includes(name));
  if (odd.length > 0)
    throw new AclTextError(`the path "${path}" has ${odd.join(", ")}, which no rule judges`);
  // Vault drops a slash that a path begins with; a list is asked for with one at the end.
  if (/^\/|\/\/|(^|\/)\.\.?(\/|$)/.test(path)) {
    throw new AclTextError(`the path "${path}" has a segment that is empty or dots`);
  }
  const parameters = parametersOf(path, said.get("allowed_parameters"));
  return {
    path,
    requests: aclPath(path),
    capabilities,
    settings,
    wrapped: isSome(said.get("min_wrapping_ttl")),
    ...(parameters !== undefined && { parameters }),
  };
}

/** A duration that is not nothing: Vault takes 0 for none. */
function isSome(duration: Value | undefined): boolean {
  return typeof duration === "string" && /[1-9]/.test(duration);
}

/** Their names; nothing where any is admitted: none is named then, or "*". */
function parametersOf(path: string, allowed: Value | undefined): string[] | undefined {
  if (allowed === undefined) return undefined;
  if (!(allowed instanceof Map) || ![...allowed.values()].every(Array.isArray)) {
    throw new AclTextError(`the path "${path}" has allowed_parameters, which are no map of lists`);
  }
  const names = [...allowed.keys()];
  return names.length === 0 || names.includes("*") ? undefined : names;
}

function unquoted(token: string): string {
  if (!token.includes("\\")) return token.slice(1, -1);
  try {
    const text: unknown = JSON.parse(token);
    if (typeof text === "string") return text;
  } catch {
    // Below.
  }
  throw new AclTextError("a text has an escape that cannot be read");
}
