import { type Vault, VaultError, type VaultResponse } from "../../clients/vault.ts";
import type { Model } from "../../model/model.ts";
import type { AuditEntry } from "../audit/normalise.ts";
import type { Gate, GateFinding } from "./gate.ts";
import { type Hosts, Visitor, validate, visitors } from "./visitor.ts";

export interface LiveSystem {
  model: Model;
  /** A client without a token. */
  vault: Vault;
  /** Logged in as one of the platform's roles, and its name. */
  session: { vault: Vault; who: string };
  /** Tokens that ask for more than whoever signed them should get; each must be refused. */
  widened: WidenedToken[];
  /**
   * Where the audit devices' lines can be seen from here: the line of a request that was answered a moment ago, in
   * every device.
   */
  audit?: (answer: VaultResponse<unknown>, who: string) => Promise<AuditEntry | undefined>;
  /** Who can make a person for a moment; without them the people's demand for a second factor is read, not tried. */
  hosts?: Omit<Hosts, "mount">;
}

/** A login with a JWT that no role may take. */
export interface WidenedToken {
  /** What is wrong with it, e.g. "of another branch". */
  what: string;
  role: string;
  sign: () => Promise<string>;
}

/** A promise of the live system that was put to the test. Holds no value. */
export interface Probe {
  name: "mfa" | "audit" | "widened-token";
  /** What should be so, as a sentence. */
  promise: string;
  holds: boolean;
  /** `read`: nothing can be tried from here, so what should make it hold was looked up. */
  how: "tried" | "read";
  /** What was seen, and how: tried, or read where nothing can be tried from here. */
  seen: string;
}

/** Tries on the live system what only it can show. Leaves nothing behind. */
export async function probe(system: LiveSystem): Promise<Probe[]> {
  return [await secondFactor(system), await auditedRead(system), await refusedTokens(system)];
}

/** The third gate, of what was probed. */
export function liveGate(probes: readonly Probe[]): Gate {
  const findings = probes
    .filter(({ holds }) => !holds)
    .map(
      ({ name, promise, seen }): GateFinding => ({
        verdict: "violated",
        rule: `live-${name}`,
        message: `${promise}: ${seen}`,
      }),
    );
  const read = probes.filter(({ how }) => how === "read").map(({ name }) => name);
  const judged = probes.length - read.length;
  return { gate: "live", judged, of: 3, ...(read.length > 0 && { read }), findings };
}

async function secondFactor({ model, vault, session, hosts }: LiveSystem): Promise<Probe> {
  const mount = model.vault.auth.human;
  const promise = "a login without a second factor gets no token";
  const name = "mfa";
  if (mount === "userpass" && hosts !== undefined) {
    const visitor = await Visitor.invite(visitors.probe, { ...hosts, mount });
    try {
      const { auth } = await visitor.login(vault);
      const demand = auth?.mfa_requirement ?? undefined;
      const wrong = demand === undefined ? "let in" : await outcome(() => validate(vault, demand, "000000"));
      const holds = (auth?.client_token ?? "") === "" && demand !== undefined && wrong === "refused";
      return {
        name,
        promise,
        holds,
        how: "tried",
        seen: `tried: ${demand === undefined ? "no demand for one" : `asked for one; a wrong code is ${wrong}`}`,
      };
    } finally {
      await visitor.leave();
    }
  }
  const mounts = await session.vault.read<Record<string, { accessor: string }>>("sys/auth");
  const accessor = mounts?.[`${mount}/`]?.accessor;
  const names = await session.vault.list("identity/mfa/login-enforcement");
  const asked: string[] = [];
  for (const each of names) {
    const enforcement = await session.vault.read<{
      auth_method_accessors?: string[] | null;
      mfa_method_ids?: string[] | null;
    }>(`identity/mfa/login-enforcement/${each}`);
    const isAbout = accessor !== undefined && enforcement?.auth_method_accessors?.includes(accessor);
    if (isAbout === true && (enforcement?.mfa_method_ids ?? []).length > 0) asked.push(each);
  }
  return {
    name,
    promise,
    holds: asked.length > 0,
    how: "read",
    seen: `read: auth/${mount} is ${asked.length > 0 ? `under ${asked.join(", ")}` : "under no enforcement with a method"}`,
  };
}

async function auditedRead({ model, session, audit }: LiveSystem): Promise<Probe> {
  const promise = "a read appears in the audit log";
  const name = "audit";
  const path = "sys/audit";
  const answer = await session.vault.request<Record<string, unknown>>("GET", path);
  const missing = model.vault.audit
    .map((device) => device.name)
    .filter((device) => answer.data[`${device}/`] === undefined);
  if (missing.length > 0) {
    return {
      name,
      promise,
      holds: false,
      how: "read",
      seen: `read: the device ${missing.join(", ")} is not enabled`,
    };
  }
  if (audit === undefined) {
    // Vault answers no request that none of its devices has written.
    const count = model.vault.audit.length;
    return {
      name,
      promise,
      holds: count >= 2,
      how: "read",
      seen: `read: ${count} devices are enabled, and the read was answered`,
    };
  }
  const entry = await audit(answer, session.who);
  const holds = entry?.path === path && entry.action === "read" && entry.outcome === "allowed";
  return {
    name,
    promise,
    holds,
    how: "tried",
    seen:
      entry === undefined
        ? "tried: its line is not in every device"
        : `tried: ${entry.time} ${entry.who} ${entry.action} ${entry.path}`,
  };
}

async function refusedTokens({ model, vault, session, widened }: LiveSystem): Promise<Probe> {
  const promise = "a widened token is refused";
  const name = "widened-token";
  const admitted: string[] = [];
  for (const { what, role, sign } of widened) {
    const jwt = await sign();
    const login = () => vault.write(`auth/${model.vault.auth.github}/login`, { role, jwt });
    if ((await outcome(login)) !== "refused") admitted.push(`${what} as ${role}`);
  }
  // No role of the platform but the rotation engine reads a value.
  const [secret] = model.secrets;
  const path = `${model.vault.mounts.kv}/data/${secret?.source ?? "source/none"}`;
  const read = await outcome(() => session.vault.request("GET", path));
  if (read !== "refused") admitted.push(`${session.who} at ${path}`);
  const tried = `${widened.length} token(s) and a read beyond the policy`;
  return {
    name,
    promise,
    holds: admitted.length === 0 && widened.length > 0,
    how: "tried",
    seen:
      admitted.length > 0
        ? `tried: let in: ${admitted.join("; ")}`
        : widened.length === 0
          ? "no token could be signed from here: run it in the workflow"
          : `tried: refused ${tried}`,
  };
}

/** Whether Vault refuses; what is neither an answer nor a refusal is an error. */
async function outcome(request: () => Promise<unknown>): Promise<"refused" | "let in"> {
  try {
    await request();
    return "let in";
  } catch (error) {
    if (error instanceof VaultError && [400, 403].includes(error.status)) return "refused";
    throw error;
  }
}
