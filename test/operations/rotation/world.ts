import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Consumer, Model, Secret, Service } from "../../../model/model.ts";

type Role = Consumer["role"];

/** What one consumer of the world is like. */
export interface Actor {
  role: Role;
  /** What its files hold, and what it has read of them. */
  held: Copy | undefined;
  runs: Copy | undefined;
  /** It never reads its files again. */
  isDeaf?: boolean;
  /** Nobody can see what it runs. */
  isHidden?: boolean;
  /** It ends where it starts with this value. */
  ends?: (copy: Copy) => boolean;
  isDown?: boolean;
  /** Its own probe fails while it runs this value. */
  rejects?: (copy: Copy) => boolean;
  reloads: number;
}

interface Copy {
  version: number;
  /** Field → value. */
  fields: Record<string, string>;
}

interface Request {
  do: string;
  consumer?: string;
  value?: string;
  rotation?: string;
  version?: number;
  fields?: Record<string, string>;
}

/**
 * Everything outside of Keyplane that a rotation meets, behind one HTTP server on loopback, so that it survives a runner
 * that is killed: a target with its keys, consumers with what they run. After every request it checks what must hold at
 * every moment, and keeps what did not in `violations`.
 */
export class World {
  readonly kind: "hmac" | "password";
  readonly actors = new Map<string, Actor>();
  /** What the target accepts, by the rotation that made it. */
  readonly accepted = new Map<string, string>();
  readonly violations: string[] = [];
  /** What was done, in order, without reads. */
  readonly events: string[] = [];
  /** Every value that was ever made: none may be found in a log. */
  readonly values = new Set<string>();
  /** Requests that are refused or lost before or after they are done: taken from the front. */
  faults: { do: string; how: "refused" | "reply lost" | "busy" }[] = [];
  /** The next value that the target makes is worth nothing. */
  makesBadKeys = false;
  /** The target accepts what it was told to refuse, so often. */
  forgets = 0;
  /** Who is said to use the old value. */
  users: string[] = [];
  idleness: "seen" | "unknown" = "seen";
  /** What its counters show; it rises once somebody signs with a new value, where `errorsRise`. */
  errors = 0;
  errorsRise = false;
  readonly #bad = new Set<string>();
  readonly #server: Server;
  /** Whether the target must have been told before a consumer runs a value. */
  #watched = false;

  constructor(kind: "hmac" | "password") {
    this.kind = kind;
    this.#server = createServer(async (request, response) => {
      let text = "";
      for await (const part of request) text += part;
      const asked = JSON.parse(text) as Request;
      const fault = this.faults[0]?.do === asked.do ? this.faults.shift() : undefined;
      if (fault?.how === "refused") return void request.socket.destroy();
      if (fault?.how === "busy") return void response.writeHead(429, { "retry-after": "0" }).end("{}");
      const answer = this.#answer(asked);
      this.#check(asked.do);
      if (fault?.how === "reply lost") return void request.socket.destroy();
      response.writeHead(200).end(JSON.stringify(answer ?? {}));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** From now on every violation counts: all consumers have a first value. */
  settle(): void {
    this.#watched = true;
    this.events.length = 0;
    for (const actor of this.actors.values()) actor.reloads = 0;
  }

  /** The value that a consumer signs or logs in with. */
  usedBy(id: string): string | undefined {
    const fields = this.actors.get(id)?.runs?.fields;
    return fields?.primary ?? fields?.password;
  }

  #actor(id = ""): Actor {
    const actor = this.actors.get(id);
    if (actor === undefined) throw new Error(`no actor ${id}`);
    return actor;
  }

  #answer(asked: Request): unknown {
    const { value = "", rotation = "", consumer, version = 0, fields = {} } = asked;
    const reads = ["probe", "users", "accepts", "running", "health", "errors"];
    if (!reads.includes(asked.do)) this.events.push([asked.do, consumer].filter(Boolean).join(" "));
    switch (asked.do) {
      case "make": {
        // What an earlier request of the same rotation made was not kept by whoever asked.
        for (const [made, by] of this.accepted) if (by === rotation) this.accepted.delete(made);
        const made = randomBytes(24).toString("hex");
        this.accepted.set(made, rotation);
        if (this.makesBadKeys) this.#bad.add(made);
        this.values.add(made);
        return { value: made };
      }
      case "accept":
        this.accepted.set(value, rotation);
        this.values.add(value);
        if (this.makesBadKeys) this.#bad.add(value);
        return {};
      case "discard":
        for (const [made, by] of this.accepted) if (by === rotation) this.accepted.delete(made);
        return {};
      case "refuse":
        if (this.forgets > 0) this.forgets--;
        else this.accepted.delete(value);
        return {};
      case "accepts":
        return { accepted: this.accepted.has(value) };
      case "probe":
        return { works: this.accepted.has(value) && !this.#bad.has(value) };
      case "users":
        return { users: this.users, idleness: this.idleness };
      case "errors":
        return { errors: this.errors };
      case "write": {
        const actor = this.#actor(consumer);
        // As real sinks do: what another runner has replaced does not come back.
        if (version < (actor.held?.version ?? 0)) return { stale: true };
        const changed = actor.held?.version !== version;
        actor.held = { version, fields };
        return { changed };
      }
      case "reload": {
        const actor = this.#actor(consumer);
        if (actor.isDeaf) return {};
        actor.reloads++;
        if (actor.held !== undefined) actor.runs = actor.held;
        actor.isDown = actor.runs !== undefined && actor.ends?.(actor.runs) === true;
        if (actor.isDown) actor.runs = undefined;
        if (this.errorsRise && actor.role === "signer") this.errors++;
        return {};
      }
      case "running": {
        const actor = this.#actor(consumer);
        if (actor.isHidden) return { state: "unobservable", why: "it shows nothing" };
        if (actor.isDown) return { state: "behind", why: "it does not run", isDown: true };
        const runs = actor.runs?.version;
        if (runs !== undefined && runs >= version) return { state: "runs", version: runs, how: "it says so" };
        return {
          state: "behind",
          ...(runs !== undefined && { version: runs, isDown: false }),
          why: "it has not read its files",
        };
      }
      case "health": {
        const actor = this.#actor(consumer);
        return { healthy: actor.runs !== undefined && actor.rejects?.(actor.runs) !== true };
      }
      default:
        throw new Error(`nobody can ${asked.do}`);
    }
  }

  /** Whoever signs is accepted by everybody who verifies, and by the target, at every moment. */
  #check(after: string): void {
    if (!this.#watched) return;
    const running = [...this.actors].flatMap(([id, { role, runs }]) =>
      runs === undefined ? [] : [{ id, role, fields: runs.fields }],
    );
    for (const { id, role, fields } of running) {
      const used = fields.primary ?? fields.password;
      if (used === undefined) continue;
      if (role !== "listener" && !this.accepted.has(used)) {
        this.violations.push(`after ${after}: the target refuses what ${id} uses`);
      }
      if (this.kind !== "hmac" || role === "listener") continue;
      for (const other of running) {
        if (other.role === "signer" || other.id === id) continue;
        const accepts = [other.fields.primary, other.fields.secondary];
        if (!accepts.includes(used)) {
          this.violations.push(`after ${after}: ${other.id} refuses what ${id} signs`);
        }
      }
    }
  }
}

/** A secret of the world, its consumers named after their roles: "demo/listener-1". */
export function secretIn(world: World, name: string, roles: Role[], more: Partial<Secret> = {}): Secret {
  const isPair = world.kind === "hmac";
  const fields = isPair ? ["primary", "secondary", "key-id"] : ["password"];
  const consumers = roles.map((role, index): Consumer => {
    const id = `demo/${role}-${index + 1}`;
    world.actors.set(id, { role, held: undefined, runs: undefined, reloads: 0 });
    const own = role === "signer" ? fields.filter((field) => field !== "secondary") : fields;
    const as = Object.fromEntries(own.map((field) => [field.toUpperCase().replace("-", "_"), field]));
    return {
      id,
      kind: "service",
      name: id,
      role,
      path: `services/${name}/${role}-${index + 1}/key`,
      as,
      files: {},
    };
  });
  return {
    id: `${name}/key`,
    system: name,
    name: "key",
    owner: "ada",
    class: "critical",
    kind: world.kind,
    fields,
    generator: { by: "machine", bytes: 32, encoding: "hex" },
    rotate: { by: "machine", overlap: 0, onCompromise: true },
    idle: { source: "audit" },
    source: `source/${name}/key`,
    journal: `rotation/${name}/key`,
    evidence: `evidence/${name}/key`,
    stored: [],
    templates: {},
    consumers,
    ...more,
  };
}

/** The model of a secret alone, with a service for each of its consumers. */
export function modelWith(model: Model, secret: Secret): Model {
  const services = secret.consumers.map(
    ({ id, name }): Service => ({
      id,
      system: "demo",
      name,
      runsOn: "compose",
      settles: 0,
      reload: "restart",
      policy: id,
      deliver: [],
    }),
  );
  const rotation = { ...model.rotation, watch: 0, jitter: 0 };
  return { ...model, services, secrets: [secret], settings: [], rotation };
}
