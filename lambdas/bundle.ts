import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import type { Model } from "../model/model.ts";

export const lambdaNames = ["rotate-postgres", "rotate-due"] as const;
export type LambdaName = (typeof lambdaNames)[number];

export interface Bundled {
  /** What the function's archive holds: `index.mjs`, and `model.json` for the runner. */
  folder: string;
  /** Of the code. */
  bytes: number;
}

/** What the runner rotates by, and the commit of the catalogue that it is of. */
export interface Shipping {
  model: Model;
  commit?: string;
}

const root = fileURLToPath(new URL("..", import.meta.url));

/** CommonJS packages among the dependencies ask for Node's own modules by `require`. */
const banner =
  'import{createRequire as keyplaneRequire}from"node:module";const require=keyplaneRequire(import.meta.url);';

/** What no function can use, with what stands there instead. */
const leftOut: Plugin = {
  name: "left-out",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/nats\.ts$/ }, () => ({ path: join(root, "lambdas/rotate-due/not-here.ts") }));
  },
};

/**
 * Bundles a function into one file, `<folder>/<name>/index.mjs`. The source map and the licences of what is in it stand
 * apart, in `<folder>/maps`. The same sources give the same bytes, wherever they lie.
 */
export async function bundleLambda(name: LambdaName, folder: string, shipping?: Shipping): Promise<Bundled> {
  const target = join(folder, name);
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [`lambdas/${name}/index.ts`],
    // Never written there: paths in the map are relative to it.
    outfile: join(root, "out", "index.mjs"),
    write: false,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    minify: true,
    sourcemap: "external",
    legalComments: "external",
    charset: "utf8",
    banner: { js: banner },
    // Of pg: asked for where somebody installed it.
    external: ["pg-native"],
    plugins: [leftOut],
    logLevel: "silent",
  });
  await Promise.all([target, join(folder, "maps")].map((path) => mkdir(path, { recursive: true })));
  let bytes = 0;
  for (const { path, contents } of outputFiles) {
    const file = basename(path);
    if (file === "index.mjs") bytes = contents.length;
    const place = file === "index.mjs" ? join(target, file) : join(folder, "maps", `${name}.${file}`);
    await writeFile(place, contents);
  }
  if (name === "rotate-due") {
    if (shipping === undefined) throw new Error("rotate-due is bundled with the model that it rotates by");
    await writeFile(join(target, "model.json"), JSON.stringify(shipping));
  }
  return { folder: target, bytes };
}
