import {
  type Change,
  type Data,
  edit,
  fresh,
  isData,
  organization,
  pick,
  remove,
  rename,
  set,
  system,
  VARIABLE,
} from "./change.ts";

/** Columns of ciphertext, which name their database. */
function storedIn(root: Data): Data[] {
  const entries = [root.secrets, root["encryption-keys"]].flatMap((all) =>
    isData(all) ? Object.values(all) : [],
  );
  return entries
    .flatMap((entry) => (isData(entry) && Array.isArray(entry.stored) ? entry.stored : []))
    .filter(isData);
}

/** Changes that leave the catalogue right. */
export const valid: [string, Change][] = [
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
      [fresh(draw)]: {
        after: "staging",
        vault: (all as Data).staging ? (((all as Data).staging as Data).vault ?? null) : null,
        postgres: { host: "db.acme.example" },
      },
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
        { kind: "token", rotate: { by: "hand", every: `${1 + draw(180)}d` } },
        { kind: "password", rotate: { by: "hand", every: `${1 + draw(365)}d` } },
        { kind: "api-key", rotate: { by: "hand", every: `${1 + draw(52)}w` }, fields: ["key", "other"] },
        { kind: "fernet", rotate: { every: `${31 + draw(59)}d`, overlap: "30d" }, idle: "none" },
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
        consumers: {
          [service]: { role: "listener", as: { [VARIABLE(draw)]: "token", [VARIABLE(draw)]: "previous" } },
        },
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
    "rotates in a narrower way",
    set(
      organization("environments/*"),
      "rotation",
      (_, draw) => ({
        concurrent: { total: 1 + draw(20) },
        jitter: `${1 + draw(60)}m`,
        blackouts: [{ days: ["sat", "sun"], from: "22:00", to: "06:00", reason: "Nobody is there" }],
      }),
      true,
    ),
  ],
  [
    "renames a database",
    (files, draw) => {
      const root = pick(
        system("")(files).filter(({ databases }) => isData(databases)),
        draw,
      );
      const data = root?.databases;
      if (root === undefined || !isData(data)) return undefined;
      const name = pick(Object.keys(data), draw);
      const entry = name === undefined ? undefined : data[name];
      if (name === undefined || !isData(entry)) return undefined;
      entry["renamed-from"] ??= name;
      const next = fresh(draw);
      rename(data, name, next);
      for (const column of storedIn(root)) if (column.database === name) column.database = next;
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
