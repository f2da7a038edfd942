import type { Fields } from "../../values/shape.ts";
import { type Answer, isObject, objectsIn, type ProviderHttp, textIn } from "./http.ts";
import { type Adapter, type KeyApi, type ListedKey, ProviderError, QuotaError } from "./provider.ts";

/**
 * Keys of one OpenAI project, by the administration API (https://platform.openai.com/docs/api-reference/administration:
 * project service accounts, their API keys, project API keys). The address is the project's:
 * https://api.openai.com/v1/organization/projects/proj_…, the credential an admin key.
 *
 * A new key belongs to the service account of the old one; where that was a person's, to a service account of its own
 * with the default role. What a key may do is seen by the models that it may see and its owner's role: scopes of a
 * restricted key are not listed, so such a key's successor is refused by the probe where it sees other models.
 */
export const openai: Adapter = {
  // No bound is published for the administration API.
  bound: { requests: 2, per: 1, concurrent: 1 },
  settles: 30,
  tellsWithin: 300,
  longestLabel: 100,
  open({ http, address, credential, fields }): KeyApi {
    const [field] = fields;
    if (field === undefined || fields.length !== 1) {
      throw new ProviderError("a key of OpenAI has one field: correct `fields` in the catalogue");
    }
    const admin = { authorization: `Bearer ${only(credential)}`, "content-type": "application/json" };
    const end = address.indexOf("/organization/projects/");
    if (end < 0) {
      throw new ProviderError("OpenAI's address must be a project's: …/v1/organization/projects/<id>");
    }
    const models = `${address.slice(0, end)}/models`;
    const all = (what: string, resource: string) => pages(http, what, `${address}/${resource}`, admin);
    const idOf = async (key: Fields) => {
      const { entries } = await all("list the keys", "api_keys");
      const same = entries.filter(({ redacted_value }) => matches(only(key), textIn(redacted_value)));
      if (same.length > 1) {
        throw new ProviderError(
          "two keys of the OpenAI project look alike: revoke the one that is not used, by hand",
        );
      }
      return textIn(same[0]?.id) || undefined;
    };
    const made = async (what: string, resource: string, body: Record<string, string>) => {
      const answer = await http.ask(what, `${address}/${resource}`, {
        method: "POST",
        headers: admin,
        body: JSON.stringify(body),
      });
      if (answer.status === 200 || answer.status === 201) return http.object(what, answer);
      const refused = http.refused(what, answer.status, codeOf(answer));
      throw /limit|quota/.test(String(codeOf(answer))) ? new QuotaError(refused.message) : refused;
    };
    const remove = async (what: string, resource: string) => {
      const answer = await http.ask(what, `${address}/${resource}`, { method: "DELETE", headers: admin });
      if (answer.status !== 200 && answer.status !== 404)
        throw http.refused(what, answer.status, codeOf(answer));
    };
    return {
      idOf,
      async rights(key) {
        const what = "list the models";
        const answer = await http.ask(what, models, { headers: { authorization: `Bearer ${only(key)}` } });
        if (answer.status === 401) return undefined;
        if (answer.status === 403) return [];
        if (answer.status !== 200) throw http.refused(what, answer.status, codeOf(answer));
        return objectsIn(http.object(what, answer).data)
          .map(({ id }) => textIn(id))
          .toSorted();
      },
      async list() {
        const { entries, at } = await all("list the keys", "api_keys");
        return { keys: entries.map(listedKey), at };
      },
      async create(label, { id }) {
        const what = "make a key";
        const { entries } = await all("list the keys", "api_keys");
        const owner = accountOf(entries.find((entry) => entry.id === id));
        const account = textIn(owner.id);
        const answer =
          account === ""
            ? (await made(what, "service_accounts", { name: label })).api_key
            : await made(what, `service_accounts/${encodeURIComponent(account)}/api_keys`, { name: label });
        const key = isObject(answer) ? answer : {};
        if (textIn(key.id) === "" || textIn(key.value) === "") {
          throw new ProviderError("OpenAI made a key without an id or value: nothing can be kept of it");
        }
        return { id: textIn(key.id), fields: { [field]: textIn(key.value) } };
      },
      async revoke(id) {
        const what = "revoke a key";
        const { entries } = await all("list the keys", "api_keys");
        const owner = accountOf(entries.find((entry) => entry.id === id));
        // An account that was made for one key goes with it, and before it: the key is what says whose it was.
        const account = textIn(owner.id);
        const alone = entries.filter((entry) => accountOf(entry).id === owner.id).length === 1;
        if (account !== "" && alone && textIn(owner.name).startsWith("keyplane/")) {
          await remove(what, `service_accounts/${encodeURIComponent(account)}`);
        }
        await remove(what, `api_keys/${encodeURIComponent(id)}`);
      },
    };
  },
};

/** Every entry of a list, which comes in pages of at most 100. */
async function pages(http: ProviderHttp, what: string, url: string, headers: Record<string, string>) {
  const entries: Record<string, unknown>[] = [];
  for (let after = ""; ; ) {
    const query = after === "" ? "" : `&after=${encodeURIComponent(after)}`;
    const answer = await http.ask(what, `${url}?limit=100${query}`, { headers });
    if (answer.status !== 200) throw http.refused(what, answer.status, codeOf(answer));
    const page = http.object(what, answer);
    entries.push(...objectsIn(page.data));
    const last = textIn(page.last_id) || textIn(entries.at(-1)?.id);
    if (page.has_more !== true || last === after) return { entries, at: answer.at };
    after = last;
  }
}

function listedKey(entry: Record<string, unknown>): ListedKey {
  const used = entry.last_used_at;
  const account = accountOf(entry);
  const name = textIn(entry.name);
  return {
    id: textIn(entry.id),
    label: name.startsWith("keyplane/") ? name : textIn(account.name) || name,
    ...(used === null && { lastUsed: "never" as const }),
    ...(typeof used === "number" && { lastUsed: new Date(used * 1000) }),
  };
}

function accountOf(entry: Record<string, unknown> | undefined): Record<string, unknown> {
  const owner = isObject(entry?.owner) ? entry.owner : {};
  return isObject(owner.service_account) ? owner.service_account : {};
}

/** Whether a redacted value, such as sk-abc***def, is that of a key: its beginning and end. */
function matches(key: string, redacted: string): boolean {
  const [head = "", tail = ""] = redacted.split(/[*.…]+/);
  return head.length + tail.length >= 6 && key.startsWith(head) && key.endsWith(tail);
}

function only(key: Fields): string {
  return Object.values(key)[0] ?? "";
}

function codeOf({ text }: Answer): unknown {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return isObject(error) ? (error.code ?? error.type) : undefined;
  } catch {
    return undefined;
  }
}
