import * as z from "zod/mini";

/** One audited request, normalised (R52): who did what to which path, when, and with what outcome. No value. */
export interface AuditEntry {
  /** ISO 8601, in UTC. */
  time: string;
  /** The role, person or service; "nobody" for a request without a token. */
  who: string;
  action: "create" | "read" | "update" | "patch" | "delete" | "list" | "login" | "other";
  /** Vault's API path, without "/v1/". */
  path: string;
  /** `pending`: a login that still lacks its second factor. */
  outcome: "allowed" | "denied" | "pending" | "failed";
  requestId: string;
}

const Auth = z.object({
  display_name: z.optional(z.string()),
  metadata: z.nullish(z.record(z.string(), z.string())),
  policies: z.nullish(z.array(z.string())),
  client_token: z.optional(z.string()),
});

/** The part of a line that is used; https://developer.hashicorp.com/vault/docs/audit#audit-entry-format */
const Line = z.object({
  time: z.string().check(z.refine((time) => !Number.isNaN(Date.parse(time)))),
  type: z.literal("response"),
  error: z.optional(z.string()),
  auth: z.nullish(Auth),
  request: z.object({ id: z.string(), operation: z.optional(z.string()), path: z.string() }),
  response: z.nullish(
    z.object({ auth: z.nullish(Auth), data: z.nullish(z.record(z.string(), z.unknown())) }),
  ),
});
type Line = z.infer<typeof Line>;

/**
 * One line of a Vault audit file. Responses only: each request has one, and only it knows the outcome.
 * @returns undefined for the line of a request, for a probe of the device, and for what is no audit line
 */
export function normalise(text: string): AuditEntry | undefined {
  const line = parse(text);
  if (line === undefined) return undefined;
  const { time, request } = line;
  const path = request.path.replaceAll(bearer, "****");
  const action = actionOf(request.operation, path);
  return {
    time: new Date(time).toISOString(),
    who: whoOf(line, path),
    action,
    path,
    outcome: outcomeOf(line, action),
    requestId: request.id,
  };
}

/** Vault hashes values in bodies, but a token that a client put into a path stands there in clear. */
const bearer = /\bhv[sbr]\.[A-Za-z0-9_-]{8,}/g;

/** The metadata that the login methods set, best name first; https://developer.hashicorp.com/vault/docs/audit */
const names = ["role", "role_name", "username", "service_account_name"];

function whoOf({ auth, response }: Line, path: string): string {
  // A login has no token yet: who it was is in its answer.
  for (const one of [response?.auth, auth]) {
    for (const name of names) {
      const value = one?.metadata?.[name];
      if (value !== undefined && value !== "") return value;
    }
    if (one?.policies?.includes("root")) return "root";
    if (one?.display_name) return one.display_name;
  }
  // Whoever did not get in is who they said they were.
  return /^auth\/[^/]+\/login\/([^/]+)$/.exec(path)?.[1] ?? "nobody";
}

function actionOf(operation: string | undefined, path: string): AuditEntry["action"] {
  if (/^auth\/[^/]+\/login(\/|$)/.test(path) || path === "sys/mfa/validate") return "login";
  switch (operation) {
    case "create":
    case "read":
    case "update":
    case "patch":
    case "delete":
    case "list":
      return operation;
    default:
      return "other";
  }
}

/**
 * The error's own words are kept out: some quote what was sent. A backend that refuses in its answer (JWT and
 * AppRole logins do) leaves no error but a hashed `data.error` and nothing else.
 */
function outcomeOf({ error, response }: Line, action: AuditEntry["action"]): AuditEntry["outcome"] {
  const answered = Object.keys(response?.data ?? {});
  if (error || (answered.length === 1 && answered[0] === "error")) {
    // A login is denied in many words: "invalid credentials", "error validating token", …
    return action === "login" || /permission denied/.test(error ?? "") ? "denied" : "failed";
  }
  return action === "login" && response?.auth?.client_token === undefined ? "pending" : "allowed";
}

function parse(text: string): Line | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return Line.safeParse(value).data;
}
