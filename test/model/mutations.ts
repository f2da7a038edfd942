/**
 * Changes to a right catalogue whose outcome is known by how they are made: an oracle that shares nothing with
 * the schema and the checks. Each works on plain data or on text and says whether the result is still right.
 */
export type Data = { [key: string]: Value };
export type Value = string | number | boolean | null | Value[] | Data;
/** File → its data. */
export type Files = Record<string, Data>;
/** A number from 0 below `limit`, chosen by the test. */
export type Draw = (limit: number) => number;

/** Undefined where it does not apply. A function changes the file's text after it was written. */
type Change = (files: Files, draw: Draw) => undefined | "done" | ((texts: Record<string, string>) => void);

export interface Mutation {
  name: string;
  right: boolean;
  change: Change;
}

function pick<T>(items: T[], draw: Draw): T | undefined {
  return items.length === 0 ? undefined : items[draw(items.length)];
}

function isData(value: Value | undefined): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Mappings at a path in which "*" stands for every name. */
function all(files: Files, file: "organization" | "system", path: string): Data[] {
  const roots = Object.entries(files)
    .filter(([name]) => (name === "organization.yaml") === (file === "organization"))
    .map(([, data]) => data);
  let found: Value[] = roots;
  for (const step of path === "" ? [] : path.split("/")) {
    found = found.flatMap((value): Value[] => {
      if (!isData(value)) return [];
      if (step === "*") return Object.values(value);
      const inner = value[step];
      return inner === undefined ? [] : [inner];
    });
  }
  return found.filter(isData);
}

const system = (path: string) => (files: Files) => all(files, "system", path);
const organization = (path: string) => (files: Files) => all(files, "organization", path);
type Select = (files: Files) => Data[];

/** Sets a field somewhere it stands, or anywhere when `always`. */
function set(
  select: Select,
  field: string,
  value: (before: Value | undefined, draw: Draw) => Value | undefined,
  always = false,
): Change {
  return (files, draw) => {
    const data = pick(
      select(files).filter((d) => always || Object.hasOwn(d, field)),
      draw,
    );
    const next = data && value(data[field], draw);
    if (data === undefined || next === undefined) return undefined;
    data[field] = next;
    return "done";
  };
}

function remove(select: Select, field: string): Change {
  return (files, draw) => {
    const data = pick(
      select(files).filter((d) => Object.hasOwn(d, field)),
      draw,
    );
    if (data === undefined) return undefined;
    delete data[field];
    return "done";
  };
}

function rename(data: Data, from: string, to: string): void {
  const entries = Object.entries(data).map(([key, value]): [string, Value] => [
    key === from ? to : key,
    value,
  ]);
  for (const key of Object.keys(data)) delete data[key];
  for (const [key, value] of entries) data[key] = value;
}

function renameKey(select: Select, to: (before: string, draw: Draw) => string): Change {
  return (files, draw) => {
    const data = pick(
      select(files).filter((d) => Object.keys(d).length > 0),
      draw,
    );
    const key = data && pick(Object.keys(data), draw);
    if (data === undefined || key === undefined) return undefined;
    rename(data, key, to(key, draw));
    return "done";
  };
}

function edit(change: (text: string, draw: Draw) => string): Change {
  return (files, draw) => {
    const file = pick(Object.keys(files), draw) ?? "";
    return (texts) => {
      texts[file] = change(texts[file] ?? "", draw);
    };
  };
}

const fresh = (draw: Draw) => `n${draw(1_000_000_000).toString(36)}`;
const VARIABLE = (draw: Draw) => `V${draw(1_000_000_000).toString(36).toUpperCase()}`;

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

const valid: [string, Change][] = [
  [
    "adds a person",
    set(organization(""), "people", (people, draw) => ({
      ...(people as Data),
      [fresh(draw)]: { email: `${fresh(draw)}@acme.example` },
    })),
  ],
  [
    "adds a group",
    set(organization(""), "groups", (groups, draw) => ({
      ...(groups as Data),
      [fresh(draw)]: { purpose: "Another group" },
    })),
  ],
  [
    "adds an environment",
    set(organization(""), "environments", (all, draw) => ({
      ...(all as Data),
      [fresh(draw)]: { after: "staging" },
    })),
  ],
  [
    "adds a service",
    set(system(""), "services", (services, draw) => ({
      ...(services as Data),
      [fresh(draw)]: { "runs-on": "compose", user: draw(60_000), reload: "restart" },
    })),
  ],
  [
    "adds a secret",
    set(system(""), "secrets", (secrets, draw) => {
      const kinds: Data[] = [
        { kind: "token", rotate: { every: `${1 + draw(180)}d` } },
        { kind: "password", rotate: { every: `${1 + draw(365)}d` } },
        { kind: "api-key", rotate: { by: "hand", every: `${1 + draw(52)}w` }, fields: ["key", "other"] },
        { kind: "fernet", rotate: { every: `${31 + draw(59)}d`, overlap: "30d" } },
        { kind: "jwt", rotate: { "on-compromise": true }, impact: "Logs everyone out" },
        { kind: "webhook", rotate: { every: `${1 + draw(30)}d` } },
        { kind: "file", rotate: { "on-compromise": true } },
      ];
      return { ...(secrets as Data), [fresh(draw)]: { class: "critical", ...(pick(kinds, draw) ?? {}) } };
    }),
  ],
  [
    "adds a setting",
    set(
      system(""),
      "settings",
      (settings, draw) => ({ ...((settings as Data) ?? {}), [VARIABLE(draw)]: fresh(draw) }),
      true,
    ),
  ],
  [
    "gives a service another secret",
    (files, draw) => {
      const root = pick(
        system("")(files).filter((data) => isData(data.services) && isData(data.secrets)),
        draw,
      );
      const token = fresh(draw);
      const service = root && pick(Object.keys(root.services as Data), draw);
      if (root === undefined || service === undefined) return undefined;
      (root.secrets as Data)[token] = {
        class: "sensitive",
        kind: "token",
        rotate: { every: "90d" },
        consumers: { [service]: { as: { [VARIABLE(draw)]: "token" } } },
      };
      return "done";
    },
  ],
  [
    "changes an owner",
    set(system(""), "owner", (_, draw) => pick(["ada", "ben", "cleo", "dan", "ines"], draw)),
  ],
  [
    "gives a secret an owner",
    set(system("secrets/*"), "owner", (_, draw) => pick(["ada", "ben", "fay"], draw), true),
  ],
  ["changes a class", set(system("secrets/*"), "class", (_, draw) => pick(["critical", "sensitive"], draw))],
  [
    "describes a secret",
    set(
      system("secrets/*"),
      "description",
      (_, draw) => `It is ${fresh(draw)}: "quoted", # and colons`,
      true,
    ),
  ],
  ["shortens a dynamic lifetime", set(system("databases/*/users/*"), "ttl", (_, draw) => `${1 + draw(60)}m`)],
  ["moves a port", set(system("databases/*/at/*"), "port", (_, draw) => 1 + draw(65_535), true)],
  ["changes a user", set(system("services/*"), "user", (_, draw) => draw(65_536))],
  [
    "shortens a transit key's period",
    set(system("encryption-keys/*"), "rotate", (_, draw) => ({ every: `${1 + draw(90)}d` })),
  ],
  [
    "keeps a transit key longer",
    set(system("encryption-keys/*"), "retain", (_, draw) => `${30 + draw(300)}d`),
  ],
  ["drops a probe", remove(system("secrets/*"), "probe")],
  ["drops a description", remove(system("secrets/*"), "description")],
  ["drops a CI job", remove(system(""), "ci")],
  [
    "retires a secret",
    set(system("secrets/*"), "retired", () => ({ since: "2026-11-01", reason: "Not used any more" }), true),
  ],
  [
    "retires a database",
    set(
      system("databases/*"),
      "retired",
      () => ({ since: "2026-11-01", reason: "Not used any more", delete: true }),
      true,
    ),
  ],
  [
    "renames a database",
    (files, draw) => {
      const data = pick(system("databases")(files), draw);
      const name = data && pick(Object.keys(data), draw);
      const entry = name === undefined ? undefined : data?.[name];
      if (data === undefined || name === undefined || !isData(entry)) return undefined;
      entry["renamed-from"] ??= name;
      rename(data, name, fresh(draw));
      return "done";
    },
  ],
  [
    "differs in an environment",
    set(
      system("secrets/*"),
      "per-environment",
      (_, draw) => ({
        [pick(["local", "staging", "production"], draw) ?? ""]: {
          description: "Differs here",
          class: "critical",
        },
      }),
      true,
    ),
  ],
  ["adds comments and blank lines", edit((text) => `# comment\n\n${text}\n\n# the end\n`)],
  ["writes line ends as Windows does", edit((text) => text.replaceAll("\n", "\r\n"))],
  ["starts and ends the document", edit((text) => `---\n${text}...\n`)],
];

const invalid: [string, Change][] = [
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
      set(pick(structures, draw) ?? system(""), `u${fresh(draw)}`, () => "x", true)(files, draw),
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
  ["names an unknown owner", set(system(""), "owner", (_, draw) => fresh(draw))],
  ["names an unknown provider", set(system("secrets/*"), "provider", (_, draw) => fresh(draw), true)],
  [
    "names an unknown consumer",
    set(
      system("secrets/*"),
      "consumers",
      (before, draw) => ({ ...((before as Data) ?? {}), [fresh(draw)]: {} }),
      true,
    ),
  ],
  [
    "takes an unknown field",
    (files, draw) => {
      const as = pick(system("secrets/*/consumers/*/as")(files), draw);
      if (as === undefined) return undefined;
      as[VARIABLE(draw)] = fresh(draw);
      return "done";
    },
  ],
  ["joins an unknown group", set(system("databases/*/users/*"), "member-of", (_, draw) => fresh(draw))],
  ["reads an unknown secret", set(system("ci/*"), "reads", (_, draw) => [fresh(draw)])],
  [
    "is in an unknown environment",
    set(system("databases/*"), "at", (before, draw) => ({ ...(before as Data), [fresh(draw)]: {} })),
  ],
  [
    "differs in an unknown environment",
    set(system("secrets/*"), "per-environment", (_, draw) => ({ [fresh(draw)]: {} }), true),
  ],
  [
    "leaves one administrator",
    set(organization(""), "administrators", (_, draw) => pick<Value>([["ada"], [], ["ada", "ada"]], draw)),
  ],
  [
    "names an unknown administrator",
    set(organization(""), "administrators", (_, draw) => ["ada", "ben", fresh(draw)]),
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
      (root.secrets as Data)[fresh(draw)] = {
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

export const mutations: Mutation[] = [
  ...valid.map(([name, change]) => ({ name, right: true, change })),
  ...invalid.map(([name, change]) => ({ name, right: false, change })),
];
