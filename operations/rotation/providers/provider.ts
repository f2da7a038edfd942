import type { Seconds } from "../../../model/duration.ts";
import type { Fields } from "../../values/shape.ts";
import type { ProviderHttp } from "./http.ts";
import type { RateBound } from "./throttle.ts";

export { ProviderError, QuotaError } from "./refusal.ts";

/** A key as its provider lists it: never its value. */
export interface ListedKey {
  id: string;
  /** As given when it was made; "" where it has none. */
  label: string;
  /** Undefined where the provider does not say. */
  lastUsed?: Date | "never";
  /** Who used it last, where the provider says: an address or a name. */
  usedBy?: string;
  /** Undefined where only the key itself can ask. */
  rights?: string[];
}

/** One key, and the account that it belongs to where that is known: a dead key cannot be asked for it any more. */
export interface Owned {
  key: Fields;
  account?: string;
}

/** What a new key is to be like. */
export interface Like extends Owned {
  id: string;
  rights: string[];
}

export interface KeyList {
  keys: ListedKey[];
  /** The provider's own time of the answer; the times of last use are told by that clock. */
  at: Date;
}

/**
 * What one provider can do with keys. `Fields` are the fields that the secret declares, in their order. Every function
 * may be called again after its answer was lost. They throw TargetUnavailableError where the provider cannot be
 * reached, answers 5xx or asks to wait, and ProviderError where it refuses.
 */
export interface KeyApi {
  /** The id of a key; undefined where the provider does not know it (any more). */
  idOf(key: Fields): Promise<string | undefined>;
  /** The account whose keys `list` lists, where that is not the credential's own; undefined where the provider does not know the key. */
  accountOf?(key: Fields): Promise<string | undefined>;
  /** What a key may do, asked with the key itself; undefined where it is refused. Such a call may count as a use. */
  rights(key: Fields): Promise<string[] | undefined>;
  /** The keys beside which `beside` lives, itself included. */
  list(beside: Owned): Promise<KeyList>;
  /** A new key that may do what `like` may. @throws QuotaError */
  create(label: string, like: Like): Promise<IssuedKey>;
  /** Does nothing where there is no such key. */
  revoke(id: string, beside: Owned): Promise<void>;
}

export interface IssuedKey {
  id: string;
  fields: Fields;
}

export interface Access {
  http: ProviderHttp;
  /** Base URL, without a slash at the end. */
  address: string;
  /** What the API is called with. */
  credential: Fields;
  /** Names of the fields that a new key must fill. */
  fields: string[];
  now(): Date;
}

/** One provider's API, or one that several share. */
export interface Adapter {
  bound: RateBound;
  /** So long a new key may still be refused, and a revoked one accepted. */
  settles: Seconds;
  /** So long after a use the provider may not tell of it yet. */
  tellsWithin: Seconds;
  /** Longest label that it takes. */
  longestLabel: number;
  open(access: Access): KeyApi;
}
