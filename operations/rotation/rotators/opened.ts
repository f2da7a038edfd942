import { keptId } from "../../../model/kept-names.ts";
import { fit } from "../../../model/names.ts";
import { readSource } from "../../values/deliver.ts";
import { type Fields, issuedToField, pairNames } from "../../values/shape.ts";
import { ProviderHttp } from "../providers/http.ts";
import { adapters, spokenTo } from "../providers/index.ts";
import { type Adapter, type KeyApi, type Owned, ProviderError } from "../providers/provider.ts";
import type { RotatorContext } from "../rotator.ts";

/** The API of a secret's provider, and what of its versions that one knows. */
export interface Opened {
  /** The provider's, as the catalogue has it. */
  name: string;
  adapter: Adapter;
  api: KeyApi;
  /** The fields of a version that the provider knows. */
  own(fields: Fields): Fields;
  /** The key of the first version there is, and whose it is, as far as one of them says. */
  owned(...versions: (Fields | undefined)[]): Owned;
  labels: Labels;
}

export interface Labels {
  /** Of what this rotation makes. */
  own: string;
  /** The same, and as versions before 2026-11-29 wrote it: by the catalogue's id. */
  made: string[];
  /** What the labels of all rotations of this secret begin with, as either wrote them. */
  prefixes: string[];
}

/** @param self versions of the secret, of which the first is the one to call with where no credential is named */
export async function open(context: RotatorContext, ...self: (Fields | undefined)[]): Promise<Opened> {
  const { secret, model } = context;
  const { provider: target } = secret;
  if (target?.address === undefined) {
    throw new ProviderError(
      `${secret.id} cannot rotate in ${model.environment}: give its provider's address below environments.${model.environment}.providers`,
    );
  }
  const adapter = await adapters[nameOf(secret)]();
  const bound = { ...adapter.bound, ...target.rate };
  const http = new ProviderHttp({
    provider: target.name,
    fetch: context.reach.fetch,
    bound,
    signal: context.signal,
  });
  const fields = secret.fields.filter((field) => !(field in secret.templates));
  const own = (version: Fields) => pick(version, fields);
  const owned = (...versions: (Fields | undefined)[]) => {
    const known = versions.filter((version) => version !== undefined);
    const account = known.find((version) => version[issuedToField] !== undefined)?.[issuedToField];
    return { key: own(known[0] ?? {}), ...(account !== undefined && { account }) };
  };
  const credential =
    target.credential === undefined
      ? own(self.find((version) => version !== undefined) ?? {})
      : await credentialOf(context, target.credential);
  const address = target.address.replace(/\/+$/, "");
  const api = adapter.open({ http, address, credential, fields, now: () => context.now() });
  const prefixes = [keptId(secret), secret.id].map((id) => {
    const place = `keyplane/${model.organization}/${model.environment}/${id}`;
    return `${fit(place, adapter.longestLabel - context.rotation.length - 1)}/`;
  });
  const made = prefixes.map((prefix) => `${prefix}${context.rotation}`);
  const labels = { own: made[0] ?? "", made, prefixes };
  return { name: target.name, adapter, api, own, owned, labels };
}

function nameOf({ kind, provider: target }: RotatorContext["secret"]): keyof typeof adapters {
  const name = spokenTo({ kind, adapter: target?.adapter });
  // Tokens of Slack are no keys that can be listed: rotators/slack.ts.
  return name === "slack" ? "rest" : name;
}

/** The value in force of the secret that the API is called with. */
async function credentialOf({ vault, model, secret }: RotatorContext, id: string): Promise<Fields> {
  const other = model.secrets.find((one) => one.id === id);
  const fields = other && (await readSource({ vault, model, by: "" }, other));
  if (other === undefined || fields === undefined) {
    throw new ProviderError(
      `${secret.id} is rotated with ${id}, which has no value in ${model.environment}: give it with \`keyplane set ${id}\``,
    );
  }
  const pair = pairNames(other);
  return pick(
    fields,
    pair === undefined ? other.fields.filter((field) => !(field in other.templates)) : [pair.now],
  );
}

function pick(fields: Fields, names: string[]): Fields {
  return Object.fromEntries(names.map((name) => [name, fields[name] ?? ""]));
}
