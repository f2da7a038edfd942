import type { Fields } from "../../values/shape.ts";
import { type Answer, isObject, objectsIn, textIn, textsIn } from "./http.ts";
import {
  type Adapter,
  type IssuedKey,
  type KeyApi,
  type ListedKey,
  ProviderError,
  QuotaError,
} from "./provider.ts";

/** Where the resources of the contract lie, below the provider's address. */
export interface RestPaths {
  keys: string;
  self: string;
}

/**
 * The contract of a provider that has no adapter of its own; a few lines in front of its API can offer it. JSON over
 * HTTPS, times in ISO 8601. A request carries `Authorization: Bearer <key>`, or `Basic <key>:<secret>` (RFC 7617) where
 * the key has two fields.
 *
 * | | |
 * |---|---|
 * | `GET  /keys?after=<id>` | 200 `{ keys: [{ id, label, last_used_at, last_used_by?, scopes }], has_more }`, by id's order; `last_used_at` null is never |
 * | `POST /keys` `{ label, scopes }` | 201 `{ id, values: { <field>: <value> } }`; 409 when no further key may live |
 * | `DELETE /keys/<id>` | 204, or 404 when there is none |
 * | `GET  /keys/self` | 200 `{ id, scopes }` of the key that asks; 401 when it is refused |
 *
 * 429 and 503 may carry Retry-After.
 */
export function rest(paths: RestPaths = { keys: "/keys", self: "/keys/self" }): Adapter {
  return {
    bound: { requests: 5, per: 1, concurrent: 2 },
    settles: 0,
    tellsWithin: 0,
    longestLabel: 120,
    open: ({ http, address, credential, fields }): KeyApi => {
      const headers = { authorization: authorization(credential), accept: "application/json" };
      const keys = `${address}${paths.keys}`;
      const self = async (key: Fields) => {
        const what = "say what a key may do";
        const answer = await http.ask(what, `${address}${paths.self}`, {
          headers: { ...headers, authorization: authorization(key) },
        });
        if (answer.status === 401) return undefined;
        if (answer.status !== 200) throw http.refused(what, answer.status, codeOf(answer));
        return http.object(what, answer);
      };
      return {
        idOf: async (key) => textIn((await self(key))?.id) || undefined,
        async rights(key) {
          const about = await self(key);
          return about === undefined ? undefined : textsIn(about.scopes);
        },
        async list() {
          const what = "list the keys";
          const listed: ListedKey[] = [];
          for (let after = ""; ; ) {
            const url = after === "" ? keys : `${keys}?after=${encodeURIComponent(after)}`;
            const answer = await http.ask(what, url, { headers });
            if (answer.status !== 200) throw http.refused(what, answer.status, codeOf(answer));
            const page = http.object(what, answer);
            listed.push(...objectsIn(page.keys).map(listedKey));
            const last = listed.at(-1)?.id ?? "";
            if (page.has_more !== true || last === after) return { keys: listed, at: answer.at };
            after = last;
          }
        },
        async create(label, { rights }) {
          const what = "make a key";
          const answer = await http.ask(what, keys, {
            method: "POST",
            headers: { ...headers, "content-type": "application/json" },
            body: JSON.stringify({ label, scopes: rights }),
          });
          if (answer.status === 409) throw new QuotaError(http.refused(what, 409, "quota").message);
          if (answer.status !== 201) throw http.refused(what, answer.status, codeOf(answer));
          return issued(http.object(what, answer), fields);
        },
        async revoke(id) {
          const what = "revoke a key";
          const answer = await http.ask(what, `${keys}/${encodeURIComponent(id)}`, {
            method: "DELETE",
            headers,
          });
          if (![200, 204, 404].includes(answer.status))
            throw http.refused(what, answer.status, codeOf(answer));
        },
      };
    },
  };
}

function authorization(key: Fields): string {
  const [first = "", second] = Object.values(key);
  if (second === undefined) return `Bearer ${first}`;
  return `Basic ${Buffer.from(`${first}:${second}`).toString("base64")}`;
}

function listedKey(key: Record<string, unknown>): ListedKey {
  const used = key.last_used_at;
  const at = typeof used === "string" ? new Date(used) : undefined;
  return {
    id: textIn(key.id),
    label: textIn(key.label),
    rights: textsIn(key.scopes),
    ...(used === null && { lastUsed: "never" as const }),
    ...(at !== undefined && !Number.isNaN(at.getTime()) && { lastUsed: at }),
    ...(typeof key.last_used_by === "string" && { usedBy: key.last_used_by }),
  };
}

function issued({ id, values }: Record<string, unknown>, fields: string[]): IssuedKey {
  const given = isObject(values) ? values : {};
  const missing = fields.filter((field) => typeof given[field] !== "string" || given[field] === "");
  if (textIn(id) === "" || missing.length > 0) {
    throw new ProviderError(
      `the provider made a key without its ${["id", ...missing].at(-1)}: nothing can be kept of it`,
    );
  }
  return { id: textIn(id), fields: Object.fromEntries(fields.map((field) => [field, textIn(given[field])])) };
}

/** `{ error: "code" }` or `{ error: { code } }`. */
function codeOf({ text }: Answer): unknown {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return isObject(error) ? error.code : error;
  } catch {
    return undefined;
  }
}
