import { seconds } from "../value.ts";
import { type AclPath, aclPath } from "./acl-path.ts";
import {
  AclTextError,
  AclTokens,
  comma,
  end,
  equals,
  listBegin,
  listEnd,
  mapBegin,
  mapEnd,
  number,
  quoted,
  word,
} from "./acl-tokens.ts";

/** What a policy says of a path. */
interface Said {
  path: string;
  capabilities: string[];
  /** Names of its other settings, such as allowed_parameters. */
  settings: string[];
  /** Its answers are wrapped, for some time. */
  wrapped: boolean;
  /** For how long at most, in seconds; absent where it is for as long as one likes. */
  longestWrap: number | undefined;
  /** Names that allowed_parameters admits; absent where it admits any. */
  parameters: string[] | undefined;
}

/** A rule of an ACL policy, as its text says. */
export class AclRule implements Said {
  readonly path: string;
  readonly capabilities: string[];
  readonly settings: string[];
  readonly wrapped: boolean;
  readonly longestWrap: number | undefined;
  readonly parameters: string[] | undefined;
  #requests: AclPath | undefined;

  constructor({ path, capabilities, settings, wrapped, longestWrap, parameters }: Said) {
    this.path = path;
    this.capabilities = capabilities;
    this.settings = settings;
    this.wrapped = wrapped;
    this.longestWrap = longestWrap;
    this.parameters = parameters;
  }

  /** The path as the set of requests that it is for; few rules ask for it. */
  get requests(): AclPath {
    this.#requests ??= aclPath(this.path);
    return this.#requests;
  }
}

type Value = string | Value[] | Map<string, Value>;

/**
 * Reads the part of HCL that Vault's policies are written in: `path "…" { name = value … }`, comments, texts, lists
 * and maps. https://developer.hashicorp.com/vault/docs/concepts/policies
 * @throws AclTextError for everything else; Vault may understand more
 */
export function readAcl(policy: string): AclRule[] {
  const tokens = new AclTokens(policy);
  const rules: AclRule[] = [];
  while (tokens.kind !== end) {
    if (tokens.token !== "path") throw new AclTextError(`expected path, found ${found(tokens)}`);
    tokens.advance();
    if (tokens.kind !== quoted) throw new AclTextError("path is not followed by a text");
    const path = unquoted(tokens);
    take(tokens, mapBegin);
    rules.push(ruleOf(path, entries(tokens)));
  }
  return rules;
}

/** The entries of a map whose beginning is read, with its end. */
function entries(tokens: AclTokens): [name: string, Value][] {
  const all: [string, Value][] = [];
  while (tokens.kind !== mapEnd) {
    const name = nameOf(tokens);
    if (all.some(([before]) => before === name)) throw new AclTextError(`${name} stands twice`);
    take(tokens, equals);
    all.push([name, value(tokens)]);
    if (tokens.kind === comma) tokens.advance();
  }
  tokens.advance();
  return all;
}

function nameOf(tokens: AclTokens): string {
  if (tokens.kind === quoted) return unquoted(tokens);
  if (tokens.kind !== word) throw new AclTextError(`${found(tokens)} is no name`);
  const { token } = tokens;
  tokens.advance();
  return token;
}

function value(tokens: AclTokens): Value {
  switch (tokens.kind) {
    case quoted:
      return unquoted(tokens);
    case listBegin:
      tokens.advance();
      return items(tokens);
    case mapBegin:
      tokens.advance();
      return new Map(entries(tokens));
    case number: {
      const { token } = tokens;
      tokens.advance();
      return token;
    }
    default:
      throw new AclTextError(`${found(tokens)} is no value`);
  }
}

/** The items of a list whose beginning is read, with its end. */
function items(tokens: AclTokens): Value[] {
  const all: Value[] = [];
  while (tokens.kind !== listEnd) {
    all.push(value(tokens));
    if (tokens.kind === comma) tokens.advance();
    else if (tokens.kind !== listEnd) throw new AclTextError("a list does not end");
  }
  tokens.advance();
  return all;
}

function take(tokens: AclTokens, sign: number): void {
  if (tokens.kind !== sign)
    throw new AclTextError(`expected ${String.fromCharCode(sign)}, found ${found(tokens)}`);
  tokens.advance();
}

const found = (tokens: AclTokens) => (tokens.kind === end ? "the end" : tokens.token);

/**
 * What a path may say beside its capabilities. Vault knows more, and the old word `policy` adds capabilities to those that
 * are listed: what is not here is not judged, so the text is not read.
 * https://github.com/hashicorp/vault/blob/v1.21.1/vault/policy.go
 */
const judged = ["min_wrapping_ttl", "max_wrapping_ttl", "allowed_parameters"];

function ruleOf(path: string, said: readonly [name: string, Value][]): AclRule {
  const named = (wanted: string) => said.find(([name]) => name === wanted)?.[1];
  const capabilities = named("capabilities");
  if (!Array.isArray(capabilities) || !capabilities.every((capability) => typeof capability === "string")) {
    throw new AclTextError(`the path "${path}" has no list of capabilities`);
  }
  const settings =
    said.length === 1 ? [] : said.map(([name]) => name).filter((name) => name !== "capabilities");
  const odd = settings.filter((name) => !judged.includes(name));
  if (odd.length > 0)
    throw new AclTextError(`the path "${path}" has ${odd.join(", ")}, which no rule judges`);
  // Vault drops a slash that a path begins with; a list is asked for with one at the end.
  if (/^\/|\/\/|(^|\/)\.\.?(\/|$)/.test(path)) {
    throw new AclTextError(`the path "${path}" has a segment that is empty or dots`);
  }
  const parameters = parametersOf(path, named("allowed_parameters"));
  const wrapped = isSome(named("min_wrapping_ttl"));
  const longestWrap = seconds(named("max_wrapping_ttl"));
  return new AclRule({ path, capabilities, settings, wrapped, longestWrap, parameters });
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

/** What the quoted text at hand stands for; goes on behind it. */
function unquoted(tokens: AclTokens): string {
  const { token } = tokens;
  tokens.advance();
  if (!token.includes("\\")) return token.slice(1, -1);
  try {
    const text: unknown = JSON.parse(token);
    if (typeof text === "string") return text;
  } catch {
    // Below.
  }
  throw new AclTextError("a text has an escape that cannot be read");
}
