import { type AclPath, aclPath } from "./acl-path.ts";

/** A rule of an ACL policy, as its text says. */
export interface AclRule {
  path: string;
  /** The same, as the set of requests that it is for. */
  requests: AclPath;
  capabilities: string[];
  /** Names of its other settings, such as allowed_parameters. */
  settings: string[];
  wrapped: boolean;
  /** Names that allowed_parameters admits; absent where it admits any. */
  parameters?: string[];
}

/** A policy text that cannot be read: what it allows is not known. */
export class AclTextError extends Error {
  override name = "AclTextError";
}

type Value = string | Value[] | { [key: string]: Value };

/**
 * Reads the part of HCL that Vault's policies are written in: `path "…" { name = value … }`, comments, texts, lists
 * and maps. https://developer.hashicorp.com/vault/docs/concepts/policies
 * @throws AclTextError for everything else; Vault may understand more
 */
export function readAcl(policy: string): AclRule[] {
  const tokens = tokensOf(policy);
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
  const body = (): { [key: string]: Value } => {
    const entries: { [key: string]: Value } = Object.create(null);
    while (tokens[at] !== "}") {
      const key = next();
      if (key === "" || !/^("|[a-z_])/i.test(key)) throw new AclTextError(`${key || "the end"} is no name`);
      const name = key.startsWith('"') ? unquoted(key) : key;
      if (name in entries) throw new AclTextError(`${name} stands twice`);
      expect("=");
      entries[name] = value();
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

function ruleOf(path: string, { capabilities, ...settings }: { [key: string]: Value }): AclRule {
  if (!Array.isArray(capabilities) || !capabilities.every((capability) => typeof capability === "string")) {
    throw new AclTextError(`the path "${path}" has no list of capabilities`);
  }
  const odd = Object.keys(settings).filter((name) => !judged.includes(name));
  if (odd.length > 0)
    throw new AclTextError(`the path "${path}" has ${odd.join(", ")}, which no rule judges`);
  const segments = path.split("/");
  // Vault drops a slash that a path begins with; a list is asked for with one at the end.
  if (segments.some((each, place) => /^\.\.?$/.test(each) || (each === "" && place < segments.length - 1))) {
    throw new AclTextError(`the path "${path}" has a segment that is empty or dots`);
  }
  const parameters = parametersOf(path, settings.allowed_parameters);
  return {
    path,
    requests: aclPath(path),
    capabilities: capabilities as string[],
    settings: Object.keys(settings),
    wrapped: settings.min_wrapping_ttl !== undefined,
    ...(parameters !== undefined && { parameters }),
  };
}

/** Their names; nothing where any is admitted: none is named then, or "*". */
function parametersOf(path: string, allowed: Value | undefined): string[] | undefined {
  if (allowed === undefined) return undefined;
  if (typeof allowed !== "object" || Array.isArray(allowed) || !Object.values(allowed).every(Array.isArray)) {
    throw new AclTextError(`the path "${path}" has allowed_parameters, which are no map of lists`);
  }
  const names = Object.keys(allowed);
  return names.length === 0 || names.includes("*") ? undefined : names;
}

function tokensOf(policy: string): string[] {
  const pattern =
    /\s+|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/|("(?:[^"\\\n]|\\.)*"|[A-Za-z_][\w-]*|\d+|[={}[\],])/gy;
  const tokens: string[] = [];
  let end = 0;
  for (const match of policy.matchAll(pattern)) {
    if (match[1] !== undefined) tokens.push(match[1]);
    end = match.index + match[0].length;
  }
  if (end !== policy.length) {
    const line = policy.slice(0, end).split("\n").length;
    throw new AclTextError(`line ${line} cannot be read`);
  }
  return tokens;
}

function unquoted(token: string): string {
  try {
    const text: unknown = JSON.parse(token);
    if (typeof text === "string") return text;
  } catch {
    // Below.
  }
  throw new AclTextError("a text has an escape that cannot be read");
}
