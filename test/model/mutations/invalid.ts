import {
  type Change,
  type Data,
  edit,
  isData,
  organization,
  pick,
  remove,
  renameKey,
  type Select,
  set,
  system,
  unknown,
  VARIABLE,
  type Value,
} from "./change.ts";

/** Mappings with fixed fields: any other field in them is wrong. */
const structures: Select[] = [
  system(""),
  system("repository"),
  system("ci/*"),
  system("services/*"),
  system("secrets/*"),
  system("secrets/*/rotate"),
  system("secrets/*/consumers/*"),
  system("secrets/*/probe"),
  system("databases/*"),
  system("databases/*/at/*"),
  system("databases/*/groups/*"),
  system("databases/*/users/*"),
  system("databases/*/users/*/rotate"),
  system("encryption-keys/*"),
  system("encryption-keys/*/rotate"),
  system("services/*/per-environment/*"),
  organization(""),
  organization("platform"),
  organization("platform/repository"),
  organization("people/*"),
  organization("contacts"),
  organization("groups/*"),
  organization("providers/*"),
  organization("environments/*"),
  organization("environments/*/vault"),
  organization("environments/*/github"),
  organization("environments/*/aws"),
];

const required: [Select, string[]][] = [
  [system(""), ["system", "owner"]],
  [system("repository"), ["name", "id", "owner-id"]],
  [system("ci/*"), ["workflow", "reads"]],
  [system("services/*"), ["runs-on", "reload"]],
  [system("secrets/*"), ["class", "kind", "rotate"]],
  [system("databases/*"), ["engine", "at", "groups"]],
  [system("databases/*/users/*"), ["member-of"]],
  [system("encryption-keys/*"), ["rotate", "retain"]],
  [organization(""), ["organization", "platform", "people", "administrators", "contacts", "environments"]],
  [organization("people/*"), ["email"]],
  [organization("contacts"), ["security", "on-call"]],
  [organization("environments/*/aws"), ["account", "region"]],
];

const names: Select[] = [
  system("services"),
  system("secrets"),
  system("databases"),
  system("encryption-keys"),
  system("ci"),
  organization("people"),
  organization("groups"),
  organization("providers"),
  organization("environments"),
];

const badNames = [
  "..",
  "../x",
  "a*",
  "a+b",
  "a/b",
  "A",
  "a b",
  "a\nb",
  "a.b",
  "-a",
  "a-",
  "a--b",
  "_a",
  "9a",
  "é",
  "",
  "a".repeat(41),
];
const badDurations: Value[] = [
  30,
  "30",
  "d30",
  "30 d",
  "-5d",
  "1.5h",
  "",
  "0d",
  "30D",
  "30 days",
  true,
  null,
  ["30d"],
  { days: 30 },
  "1y",
  "∞",
];
const wrongTypes: Value[] = ["text", 7, true, ["a"], null];

/** Changes that make the catalogue wrong. */
export const invalid: [string, Change][] = [
  [
    "misspells a field",
    (files, draw) =>
      renameKey(
        pick(structures, draw) ?? system(""),
        (key, d) => pick([`${key}x`, `x${key}`, key.toUpperCase(), `${key} `, `${key}-${key}`], d) ?? "",
      )(files, draw),
  ],
  [
    "adds an unknown field",
    (files, draw) =>
      set(pick(structures, draw) ?? system(""), `u${unknown(draw)}`, () => "x", true)(files, draw),
  ],
  [
    "drops a required field",
    (files, draw) => {
      const [select, fields] = pick(required, draw) ?? [system(""), ["owner"]];
      return remove(select, pick(fields, draw) ?? "")(files, draw);
    },
  ],
  [
    "gives a bad name",
    (files, draw) =>
      renameKey(pick(names, draw) ?? system("secrets"), (_, d) => pick(badNames, d) ?? "..")(files, draw),
  ],
  ["gives a system a bad name", set(system(""), "system", (_, draw) => pick(badNames, draw))],
  ["writes a bad period", set(system("secrets/*/rotate"), "every", (_, draw) => pick(badDurations, draw))],
  ["writes a bad lifetime", set(system("databases/*/users/*"), "ttl", (_, draw) => pick(badDurations, draw))],
  [
    "lets credentials live over an hour",
    set(system("databases/*/users/*"), "ttl", (_, draw) =>
      pick([`${61 + draw(10_000)}m`, `${2 + draw(100)}h`, `${1 + draw(10)}d`], draw),
    ),
  ],
  ["rotates too seldom", set(system("secrets/*/rotate"), "every", (_, draw) => `${366 + draw(10_000)}d`)],
  [
    "rotates a transit key too seldom",
    set(system("encryption-keys/*/rotate"), "every", (_, draw) => `${91 + draw(10_000)}d`),
  ],
  [
    "keeps a transit key too short",
    set(system("encryption-keys/*"), "retain", (_, draw) => `${1 + draw(29)}d`),
  ],
  ["names an unknown owner", set(system(""), "owner", (_, draw) => unknown(draw))],
  ["names an unknown provider", set(system("secrets/*"), "provider", (_, draw) => unknown(draw), true)],
  [
    "names an unknown consumer",
    set(
      system("secrets/*"),
      "consumers",
      (before, draw) => ({ ...((before as Data) ?? {}), [unknown(draw)]: {} }),
      true,
    ),
  ],
  [
    "takes an unknown field",
    (files, draw) => {
      const as = pick(system("secrets/*/consumers/*/as")(files), draw);
      if (as === undefined) return undefined;
      as[VARIABLE(draw)] = unknown(draw);
      return "done";
    },
  ],
  ["joins an unknown group", set(system("databases/*/users/*"), "member-of", (_, draw) => unknown(draw))],
  ["reads an unknown secret", set(system("ci/*"), "reads", (_, draw) => [unknown(draw)])],
  [
    "is in an unknown environment",
    set(system("databases/*"), "at", (before, draw) => ({ ...(before as Data), [unknown(draw)]: {} })),
  ],
  [
    "differs in an unknown environment",
    set(system("secrets/*"), "per-environment", (_, draw) => ({ [unknown(draw)]: {} }), true),
  ],
  [
    "leaves one administrator",
    set(organization(""), "administrators", (_, draw) => pick<Value>([["ada"], [], ["ada", "ada"]], draw)),
  ],
  [
    "names an unknown administrator",
    set(organization(""), "administrators", (_, draw) => ["ada", "ben", unknown(draw)]),
  ],
  [
    "makes a circle of environments",
    set(organization("environments"), "staging", (_, draw) =>
      pick<Value>([{ after: "production" }, { after: "staging" }], draw),
    ),
  ],
  [
    "writes another type for a mapping",
    (files, draw) => {
      const [select, field] = pick<[Select, string]>(
        [
          [system(""), "secrets"],
          [system(""), "services"],
          [system("secrets/*"), "rotate"],
          [system("databases/*"), "at"],
          [system("databases/*"), "groups"],
          [organization(""), "people"],
          [organization(""), "platform"],
          [organization(""), "environments"],
        ],
        draw,
      ) ?? [system(""), "secrets"];
      return set(select, field, (_, d) => pick(wrongTypes, d))(files, draw);
    },
  ],
  ["writes a number where a text is meant", set(system("secrets/*"), "class", (_, draw) => draw(100))],
  [
    "gives one variable two secrets",
    (files, draw) => {
      const root = pick(
        system("")(files).filter((data) => isData(data.secrets)),
        draw,
      );
      const users = Object.entries((root?.secrets ?? {}) as Data).flatMap(([, secret]) =>
        isData(secret) && isData(secret.consumers) && secret.retired === undefined
          ? Object.entries(secret.consumers).flatMap(([service, consumer]) =>
              isData(consumer) && isData(consumer.as)
                ? Object.keys(consumer.as).map((variable) => ({ service, variable }))
                : [],
            )
          : [],
      );
      const chosen = pick(users, draw);
      if (root === undefined || chosen === undefined) return undefined;
      (root.secrets as Data)[unknown(draw)] = {
        class: "sensitive",
        kind: "token",
        rotate: { every: "90d" },
        consumers: { [chosen.service]: { as: { [chosen.variable]: "token" } } },
      };
      return "done";
    },
  ],
  ["leaves a bracket open", edit((text) => `${text}\nx: [\n`)],
  [
    "repeats a field",
    edit((text) => `${text}\n${text.split("\n").find((line) => /^\w[\w-]*:/.test(line)) ?? ""}\n`),
  ],
  [
    "puts a tag",
    edit((text, draw) =>
      text.replace(/^(\w+): /m, `$1: ${pick(["!x", "!!str", "!!js/undefined", "!!binary"], draw)} `),
    ),
  ],
  ["puts an alias without an anchor", edit((text) => text.replace(/^(\w+): .*$/m, "$1: *nobody"))],
  ["puts a merge key", edit((text) => `<<: { a: 1 }\n${text}`)],
  [
    "puts a control character",
    edit((text, draw) => {
      const at = draw(text.length);
      return `${text.slice(0, at)}${pick(["\0", "\u0007", "\u001b", "\u202e"], draw)}${text.slice(at)}`;
    }),
  ],
  ["puts a second document", edit((text) => `${text}\n---\na: 1\n`)],
  ["puts a directive", edit((text) => `%YAML 1.1\n---\n${text}`)],
  ["empties the file", edit(() => "")],
];
