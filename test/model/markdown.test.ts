import assert from "node:assert/strict";
import { test } from "node:test";
import { code, plain, rows } from "../../model/markdown.ts";

for (const [what, text, expected] of [
  ["a link", "[passed](x)", "&#91;passed&#93;&#40;x&#41;"],
  ["a picture", "![x](y)", "&#33;&#91;x&#93;&#40;y&#41;"],
  ["emphasis and code", "*a* _b_ `c` ~d~", "&#42;a&#42; &#95;b&#95; &#96;c&#96; &#126;d&#126;"],
  ["a heading after a line break", "a\n# b", "a &#35; b"],
  ["an escape that would end ours", "\\|", "&#92;&#124;"],
  ["an entity", "&lt;b>", "&#38;lt;b&#62;"],
  ["a formula", "$x$", "&#36;x&#36;"],
  ["a comment that hides what follows", "<!-- x", "&#60;&#33;-- x"],
  ["a control character", "a\u001b[31mb", "a &#91;31mb"],
] as const) {
  test(`${what} of others is text`, () => assert.equal(plain(text), expected));
}

for (const [what, text, begins] of [
  ["a mention", "ask @ada", /@ada/],
  ["a reference to an issue", "see acme/x#12", /#12|&#35;12/],
  ["another one", "see GH-12", /GH-12/],
  ["an address", "see https://evil.example", /https:\/\//],
  ["an address without a scheme", "see www.evil.example", /www\.evil/],
] as const) {
  // As GitHub reads it: entities are characters again.
  test(`${what} of others is none, although GitHub looks for it in the rendered text`, () => {
    const rendered = plain(text).replace(/&#(\d+);/g, (_, digits) => String.fromCharCode(Number(digits)));
    assert.doesNotMatch(rendered, begins);
    assert.equal(rendered.replaceAll("\u2060", ""), text);
  });
}

test("a name with a backtick stays code", () => {
  assert.equal(code("a`b|c.yaml"), "<code>a&#96;b&#124;c.yaml</code>");
});

test("a table has its head, a line below it and a row each", () => {
  assert.equal(rows(["a", "b"], [["1", "2"]]), "| a | b |\n|---|---|\n| 1 | 2 |");
});
