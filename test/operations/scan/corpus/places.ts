import type { Random } from "./random.ts";

/** How a value with a name stands in a kind of file. `{NAME}`, `{name}`, `{camel}` and `{value}` are put in. */
export interface PlaceForm {
  file: string;
  forms: readonly string[];
}

/** Where secrets and what looks like them are written. */
export const namedPlaces: readonly PlaceForm[] = [
  {
    file: "settings.py",
    forms: [
      '{NAME} = "{value}"',
      "{NAME}: str = '{value}'",
      'os.environ.setdefault("{NAME}", "{value}")',
      'client = Client({name}="{value}")',
    ],
  },
  {
    file: "config.js",
    forms: [
      'const {camel} = "{value}";',
      "  {camel}: '{value}',",
      'process.env.{NAME} = "{value}";',
      "  '{name}': `{value}`,",
    ],
  },
  {
    file: "config.ts",
    forms: ['export const {camel}: string = "{value}";', '  readonly {camel} = "{value}";'],
  },
  {
    file: "values.yaml",
    forms: ["  {camel}: {value}", '  {name}: "{value}"', "    - name: {NAME}\n      value: '{value}'"],
  },
  { file: ".env.production", forms: ["{NAME}={value}", 'export {NAME}="{value}"', "{NAME}='{value}'"] },
  { file: "Dockerfile", forms: ["ENV {NAME}={value}", "ENV {NAME} {value}", 'ARG {NAME}="{value}"'] },
  {
    file: "docker-compose.yml",
    forms: ["      {NAME}: {value}", "      - {NAME}={value}", '      - "{NAME}={value}"'],
  },
  {
    file: "settings.json",
    forms: [
      '  "{name}": "{value}",',
      '  "{camel}": "{value}",',
      '    { "name": "{NAME}", "value": "{value}" },',
    ],
  },
  { file: "main.tf", forms: ['  {name} = "{value}"'] },
  { file: "deploy.sh", forms: ['export {NAME}="{value}"', "{NAME}={value} ./run.sh"] },
  { file: "application.properties", forms: ["app.{name}={value}"] },
  { file: "Config.java", forms: ['  private static final String {NAME} = "{value}";'] },
  { file: "main.go", forms: ['\t{camel} := "{value}"', '\t{camel}: "{value}",'] },
  { file: "config.toml", forms: ['{name} = "{value}"'] },
  { file: "config.rb", forms: ["  config.{name} = '{value}'", "ENV['{NAME}'] = '{value}'"] },
  { file: "config.php", forms: ["    '{name}' => '{value}',", "define('{NAME}', '{value}');"] },
  { file: "settings.ini", forms: ["{name} = {value}"] },
];

/** Where a value of a form of its own stands without a name. */
export const barePlaces: readonly PlaceForm[] = [
  {
    file: "api.log",
    forms: [
      '2026-03-01T10:22:31Z ERROR request failed: {"detail":"rejected {value}"}',
      "[worker-2] WARN retrying with {value}",
      "api-1  | \u001b[33mDEBUG\u001b[0m sent {value} to upstream",
    ],
  },
  { file: "notes.md", forms: ["Use `{value}` for the demo.", "- log in with {value}"] },
  { file: "client.py", forms: ['    connect("{value}")', '    run(["--use", "{value}"])'] },
  { file: "client.js", forms: ['fetch(url, { x: "{value}" });', "connect('{value}')"] },
  { file: "page.html", forms: ['<input type="hidden" data-v="{value}">'] },
  { file: "query.sql", forms: ["INSERT INTO settings VALUES (7, '{value}');"] },
];

/** A name and a value in a form. */
export function written(form: string, name: string, value: string): string {
  const lower = name.toLowerCase();
  return form
    .replaceAll("{NAME}", name.toUpperCase())
    .replaceAll("{name}", lower)
    .replaceAll(
      "{camel}",
      lower.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
    )
    .replaceAll("{value}", () => value);
}

export function pickForm(random: Random, places: readonly PlaceForm[]): { file: string; form: string } {
  const { file, forms } = random.pick(places);
  return { file, form: random.pick(forms) };
}
