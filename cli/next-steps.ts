import type { UpResult } from "../local/up.ts";

export interface NextStep {
  command: string;
  /** What it does, for people. */
  does: string;
}

/** What `up` ends with: commands that work on the stack as it is now, of people and secrets that it has. */
export function nextSteps({ model: { people }, unset }: Pick<UpResult, "model" | "unset">): NextStep[] {
  // Without a group nobody reads anything.
  const person = people.find(({ groups }) => groups.length > 0);
  const [secret] = unset;
  return [
    { command: "npx keyplane status", does: "what runs, and where" },
    ...(person === undefined
      ? []
      : [
          {
            command: `npx keyplane enrol ${person.name}`,
            does: "hand a person their password and second factor, once",
          },
        ]),
    ...(secret === undefined
      ? []
      : [
          {
            command: `npx keyplane set ${secret}`,
            does: `one of ${unset.length} secret(s) whose value only you have`,
          },
        ]),
    { command: "npx keyplane up --dry-run", does: "after a change in catalogue/: what it would do" },
    { command: "npm run down", does: "stop (-- --delete also removes the data)" },
  ];
}

/** The same as text, a line each. */
export function nextStepLines(steps: NextStep[]): string[] {
  const width = Math.max(...steps.map(({ command }) => command.length));
  return steps.map(({ command, does }) => `  ${command.padEnd(width)}  ${does}`);
}
