type Plain = Record<string, unknown>;

/** A policy document, as text. */
export const document = (...statements: Plain[]) =>
  JSON.stringify({ Version: "2012-10-17", Statement: statements });
export const allow = (more: Plain): Plain => ({ Effect: "Allow", ...more });
/** The change of a resource that gives it a policy of these statements. */
export const policy = (...statements: Plain[]) => ({ policy: document(...statements) });

/** The change of a shipped document in which one statement, by its Sid, is told otherwise; `undefined` takes it away. */
export function reworded(
  { props }: { props: Readonly<Plain> },
  sid: string,
  more: Plain | undefined,
): { policy: string } | { assumeRolePolicy: string } {
  const property = typeof props.policy === "string" ? "policy" : "assumeRolePolicy";
  const { Version, Statement } = JSON.parse(String(props[property])) as {
    Version: string;
    Statement: Plain[];
  };
  if (!Statement.some(({ Sid }) => Sid === sid)) throw new Error(`there is no statement ${sid}`);
  const text = JSON.stringify({
    Version,
    Statement: Statement.flatMap((each) => {
      if (each.Sid !== sid) return [each];
      return more === undefined ? [] : [{ ...each, ...more }];
    }),
  });
  return property === "policy" ? { policy: text } : { assumeRolePolicy: text };
}
