import { createHmac } from "node:crypto";
import type { Fields } from "../../values/shape.ts";
import { isObject, objectsIn, textIn } from "./http.ts";
import { type Adapter, type KeyApi, type ListedKey, ProviderError } from "./provider.ts";

/**
 * Keys of one sub account of Bybit, by its V5 API (https://bybit-exchange.github.io/docs/v5/user: query-api,
 * sub-apikeys, create-sub-api, delete-sub-api; requests signed as in https://bybit-exchange.github.io/docs/v5/guide).
 * The credential is a key of the main account. A key's note is its label; its permissions and bound addresses are what
 * it may do, and whoever rotates must ask from such an address. Bybit says neither when a key was last used nor how many
 * may live.
 */
export const bybit: Adapter = {
  bound: { requests: 5, per: 1, concurrent: 1 },
  settles: 10,
  tellsWithin: 0,
  longestLabel: 100,
  open({ http, address, credential, fields, now }): KeyApi {
    if (fields.length !== 2) {
      throw new ProviderError(
        "a key of Bybit has two fields, key and secret: correct `fields` in the catalogue",
      );
    }
    const call = async (what: string, as: Fields, path: string, send: { query?: string; body?: object }) => {
      const payload = send.body === undefined ? (send.query ?? "") : JSON.stringify(send.body);
      const url = send.query === undefined ? `${address}${path}` : `${address}${path}?${send.query}`;
      const answer = await http.ask(what, url, {
        headers: { ...signed(as, payload, now()), "content-type": "application/json" },
        ...(send.body !== undefined && { method: "POST", body: payload }),
      });
      const { retCode, result } = http.object(what, answer);
      // https://bybit-exchange.github.io/docs/v5/error
      if (retCode === 10006 || retCode === 10018) {
        const reset = Number(answer.headers.get("x-bapi-limit-reset-timestamp"));
        throw http.unavailable(what, "asks to wait", (reset - answer.at.getTime()) / 1000 || 1);
      }
      if (retCode === 10000 || retCode === 10016) throw http.unavailable(what, "has an error of its own");
      return { code: Number(retCode), result: isObject(result) ? result : {}, at: answer.at };
    };
    const about = async (key: Fields) => {
      const what = "say what a key may do";
      const { code, result } = await call(what, key, "/v5/user/query-api", {});
      if (code === 0) return result;
      if (refusals.has(code)) return undefined;
      throw http.refused(what, code);
    };
    const api: KeyApi = {
      idOf: async (key) => Object.values(key)[0],
      async rights(key) {
        const found = await about(key);
        return found === undefined ? undefined : rightsOf(found);
      },
      accountOf: async (key) => textIn((await about(key))?.userID) || undefined,
      async list(beside) {
        const what = "list the keys";
        const account = beside.account ?? (await api.accountOf?.(beside.key)) ?? "";
        const keys: ListedKey[] = [];
        if (account === "") throw http.refused(what, 401);
        for (let cursor = ""; ; ) {
          const query = `subMemberId=${account}&limit=20${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`;
          const { code, result, at } = await call(what, credential, "/v5/user/sub-apikeys", { query });
          if (code !== 0) throw http.refused(what, code);
          keys.push(
            ...objectsIn(result.result).map((key) => ({ id: textIn(key.apiKey), label: textIn(key.note) })),
          );
          const next = textIn(result.nextPageCursor);
          if (next === "" || next === "0" || next === cursor) return { keys, at };
          cursor = next;
        }
      },
      async create(label, like) {
        const what = "make a key";
        const old = (await about(like.key)) ?? {};
        const ips = Array.isArray(old.ips) ? old.ips.map(textIn).filter((ip) => ip !== "*") : [];
        const { code, result } = await call(what, credential, "/v5/user/create-sub-api", {
          body: {
            subuid: Number(old.userID),
            note: label,
            readOnly: old.readOnly,
            permissions: old.permissions,
            ...(ips.length > 0 && { ips: ips.join(",") }),
          },
        });
        const [key, secret] = [textIn(result.apiKey), textIn(result.secret)];
        if (code !== 0 || key === "" || secret === "") throw http.refused(what, code);
        const [first = "", second = ""] = fields;
        return { id: key, fields: { [first]: key, [second]: secret } };
      },
      async revoke(id, beside) {
        const { keys } = await api.list(beside);
        if (!keys.some((key) => key.id === id)) return;
        const what = "revoke a key";
        const { code } = await call(what, credential, "/v5/user/delete-sub-api", { body: { apikey: id } });
        if (code !== 0) throw http.refused(what, code);
      },
    };
    return api;
  },
};

/** Invalid key, wrong signature, expired: https://bybit-exchange.github.io/docs/v5/error */
const refusals = new Set([10003, 10004, 33004]);

const window = "5000";

function signed(key: Fields, payload: string, now: Date): Record<string, string> {
  const [id = "", secret = ""] = Object.values(key);
  const time = String(now.getTime());
  const text = `${time}${id}${window}${payload}`;
  return {
    "x-bapi-api-key": id,
    "x-bapi-timestamp": time,
    "x-bapi-recv-window": window,
    "x-bapi-sign": createHmac("sha256", secret).update(text).digest("hex"),
  };
}

function rightsOf({ permissions, readOnly, ips }: Record<string, unknown>): string[] {
  const allowed = Object.entries(isObject(permissions) ? permissions : {}).flatMap(([group, names]) =>
    Array.isArray(names) ? names.map((name) => `${group}.${textIn(name)}`) : [],
  );
  const from = Array.isArray(ips) ? ips.map((ip) => `from ${textIn(ip)}`) : [];
  return [...allowed, ...from, readOnly === 1 ? "read" : "write"].toSorted();
}
