import assert from "node:assert/strict";
import { test } from "node:test";
import { nextStepLines, nextSteps } from "../../cli/next-steps.ts";
import { loadCatalogue } from "../../model/catalogue.ts";
import { derive } from "../../model/derive.ts";

const model = derive(await loadCatalogue("catalogue"), "local");

const commands = (people: typeof model.people, unset: string[]) =>
  nextSteps({ model: { ...model, people }, unset }).map(({ command }) => command);

test("the person to enrol is one of the catalogue who is in a group, the secret one without a value", () => {
  const people = [
    { name: "una", email: "una@acme.example", groups: [] },
    { name: "zoe", email: "zoe@acme.example", groups: ["platform"] },
  ];
  assert.deepEqual(commands(people, ["soma/llm", "titan/gemini"]), [
    "npx keyplane status",
    "npx keyplane enrol zoe",
    "npx keyplane set soma/llm",
    "npx keyplane up --dry-run",
    "npm run down",
  ]);
});

test("where nobody is in a group and every secret has its value, neither is offered", () => {
  assert.deepEqual(commands([], []), ["npx keyplane status", "npx keyplane up --dry-run", "npm run down"]);
});

test("what each does stands in one column", () => {
  assert.deepEqual(
    nextStepLines([
      { command: "npx keyplane status", does: "what runs" },
      { command: "npm run down", does: "stop" },
    ]),
    ["  npx keyplane status  what runs", "  npm run down         stop"],
  );
});
