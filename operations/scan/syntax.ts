import { extname } from "node:path";
import type { Syntax } from "./detector.ts";

const code = new Set(
  "py pyi js mjs cjs jsx ts mts cts tsx vue svelte go java kt kts scala groovy rb php cs fs vb c h cc cpp cxx hpp m mm rs swift dart lua pl pm r ex exs erl clj cljs hs ml jl sol proto graphql".split(
    " ",
  ),
);

/** By the file's name: only what is known to be code is read as such. */
export function syntaxOf(path: string): Syntax {
  return code.has(extname(path).slice(1).toLowerCase()) ? "code" : "plain";
}
