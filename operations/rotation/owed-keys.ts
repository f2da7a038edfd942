/** A key at a provider that was to be revoked and may live. */
export interface OwedKey {
  id: string;
  /** The provider's name in the catalogue when the key was made; undefined where that is not known. */
  provider?: string;
  /** Whose key it is, where the provider tells keys by that. */
  account?: string;
}

/** What is owed, each key once. */
export function withOwed(owed: readonly OwedKey[] = [], keys: readonly OwedKey[] = []): OwedKey[] {
  const isNew = ({ id, provider }: OwedKey) =>
    !owed.some((one) => one.id === id && one.provider === provider);
  return [...owed, ...keys.filter(isNew)];
}

/** "exchange's keys a and b (of 4711)": each provider and account once. */
export function nameOwed(keys: readonly OwedKey[]): string {
  const places = Map.groupBy(keys, ({ provider = "", account = "" }) => JSON.stringify([provider, account]));
  return [...places.values()]
    .map((ofPlace) => {
      const { provider, account } = ofPlace[0] ?? {};
      const whose = provider === undefined ? "the" : `${provider}'s`;
      const ids = ofPlace.map(({ id }) => id).join(" and ");
      return `${whose} key${ofPlace.length === 1 ? "" : "s"} ${ids}${account === undefined ? "" : ` (of ${account})`}`;
    })
    .join(", ");
}
