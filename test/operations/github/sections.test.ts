import assert from "node:assert/strict";
import { test } from "node:test";
import { composed } from "../../../operations/github/sections.ts";

const marker = "<!-- keyplane review -->";

test("a section that nobody wrote is said not to have run, so that no earlier comment stays", () => {
  const text = composed(
    marker,
    [
      { title: "Scan", text: undefined },
      { title: "Validate", text: "  \n" },
    ],
    65_536,
  );
  assert.match(
    text,
    /^<!-- keyplane review -->\n\n## Scan\n\n\*\*not run\*\*: .*\n\n## Validate\n\n\*\*not run\*\*: /,
  );
});

test("short sections stay whole beside a long one, which is cut at the end of a line and says so", () => {
  const row = `| ${"x".repeat(97)} |\n`;
  const text = composed(
    marker,
    [
      { title: "Staging", text: row.repeat(5000) },
      { title: "Production", text: "<!-- keyplane check production -->\nall of it" },
    ],
    65_536,
  );
  assert.ok(text.length <= 65_536 && text.length > 60_000, String(text.length));
  assert.match(text, /\n\| x{97} \|\n\n… \d{6} more characters: /);
  assert.match(text, /\n## Production\n\nall of it\n$/);
});

test("many long sections share the room", () => {
  const sections = Array.from({ length: 6 }, (_, index) => ({
    title: `S${index}`,
    text: "€\n".repeat(50_000),
  }));
  const text = composed(marker, sections, 65_536);
  assert.ok(text.length <= 65_536);
  assert.equal(text.match(/more characters/g)?.length, 6);
});
