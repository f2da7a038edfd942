import type { Props, ResourceRule } from "../rule.ts";
import { number, record, text } from "../value.ts";
import { environmentOf, isLocal } from "./place.ts";
import { aws } from "./types.ts";

/** The database that a function is told of; undefined where it is told of none. */
export function databaseSettings(props: Props): { readonly [key: string]: unknown } | undefined {
  return parsed(variables(props).KEYPLANE_DATABASE);
}

function variables(props: Props) {
  return record(record(props.environment).variables);
}

function parsed(value: unknown): { readonly [key: string]: unknown } | undefined {
  if (typeof value !== "string") return undefined;
  try {
    return record(JSON.parse(value));
  } catch {
    return {};
  }
}

/** Node and AWS' SDK read others as well: they trust anybody by one, go through a proxy by another, or run other code. */
const known = [
  ...["KEYPLANE_VAULT", "KEYPLANE_DATABASE", "KEYPLANE_ENVIRONMENT"],
  ...["AWS_ENDPOINT_URL", "NODE_EXTRA_CA_CERTS"],
];

export const functionSettings: ResourceRule = {
  name: "aws-lambda-settings",
  sentence:
    "A function is told all that it reads: one Vault by TLS as whom it signs for, one database by TLS, and this environment.",
  severity: "high",
  fix: "Leave the variables as model/derive/aws/functions.ts derives them.",
  controls: ["NIST-800-53r5/CM-6", "NIST-800-53r5/SC-8", "R9", "R14"],
  types: [aws.function],
  *judge({ urn, props }) {
    const own = variables(props);
    const here = isLocal(urn);
    // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    if (Buffer.byteLength(JSON.stringify(own)) > 4096) yield "its variables are over 4,096 bytes together";
    const vault = parsed(own.KEYPLANE_VAULT) ?? {};
    const address = text(vault.address) ?? "";
    if (!/^https:\/\/[a-z0-9.-]+(:\d+)?$/.test(address)) yield "KEYPLANE_VAULT has no https address";
    if (vault.serverId !== address.slice("https://".length))
      yield "KEYPLANE_VAULT signs for another server than it calls";
    for (const name of Object.keys(own))
      if (!known.includes(name)) yield `${name} is set, which no code of ours reads`;
    for (const field of ["mount", "role"])
      if (!isName(vault[field])) yield `KEYPLANE_VAULT has no ${field} in particular`;
    if (own.KEYPLANE_DATABASE !== undefined) yield* database(databaseSettings(props) ?? {}, urn);
    else if (own.KEYPLANE_ENVIRONMENT !== environmentOf(urn))
      yield "KEYPLANE_ENVIRONMENT is not the environment that it is in";
    // Whoever answers for AWS gets what the function signs, and whose CA it trusts can stand between it and anything.
    const endpoint = own.AWS_ENDPOINT_URL;
    if (here ? !/^http:\/\/127\.0\.0\.1:\d+$/.test(text(endpoint) ?? "") : endpoint !== undefined)
      yield "AWS_ENDPOINT_URL is not AWS' own";
    if (!here && own.NODE_EXTRA_CA_CERTS !== "/var/runtime/ca-cert.pem")
      yield "NODE_EXTRA_CA_CERTS is not Amazon's own";
  },
};

function* database(told: { readonly [key: string]: unknown }, urn: string): Generator<string> {
  const wrong = (what: string) => `KEYPLANE_DATABASE has no ${what}`;
  for (const field of ["id", "host", "database"]) if (!isName(told[field])) yield wrong(field);
  const port = number(told.port);
  if (port === undefined || port < 1 || port > 65_535) yield wrong("port");
  if (told.tls !== "verify-full" && !(isLocal(urn) && told.tls === "disable"))
    yield wrong("tls that verifies");
  for (const field of ["role", "actsAs"])
    if (!isName(record(told.rotation)[field])) yield wrong(`rotation.${field}`);
}

/** A name in Vault, in Postgres, or of a host; never a pattern. */
function isName(value: unknown): boolean {
  return typeof value === "string" && /^[\w./:@-]+$/.test(value);
}
