import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type OutputFile, type Plugin } from "esbuild";
import type { LambdaName } from "../model/aws.ts";
import type { Shipping } from "../model/shipping.ts";
import { buildLate, lateName, withLate } from "./late.ts";

export type { LambdaName, Shipping };

export const lambdaNames = ["rotate-postgres", "rotate-due"] as const satisfies LambdaName[];

export interface Bundled {
  /** What the function's archive holds: `index.mjs`, and `model.json`, which is what it reads of the model. */
  folder: string;
  /** Of the code. */
  bytes: number;
  /** Paths, in the repository, of everything that it was made of. */
  sources: string[];
}

const root = fileURLToPath(new URL("..", import.meta.url));

/** CommonJS packages among the dependencies ask for Node's own modules by `require`. */
const banner =
  'import{createRequire as keyplaneRequire}from"node:module";const require=keyplaneRequire(import.meta.url);';

/** What no function can use, with what stands there instead; of pg its pool, its files of passwords and its bindings in C. */
const leftOut: Plugin = {
  name: "left-out",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/nats\.ts$/ }, () => ({ path: join(root, "lambdas/rotate-due/not-here.ts") }));
    onResolve({ filter: /^(pg-pool|pgpass|pg-cloudflare|\.\/native)$/ }, ({ path, importer }) =>
      /node_modules[\\/]pg[\\/]/.test(importer) ? { path, namespace: "left-out" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "left-out" }, ({ path }) => ({
      contents: `module.exports = class { constructor() { throw new Error("${path} is not in this bundle"); } };`,
    }));
  },
};

/**
 * Node's own modules are loaded where their importer is, not all of them at the start of the file: what a function needs
 * only once it works (child processes, say) costs its start nothing.
 */
const inTurn: Plugin = {
  name: "in-turn",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === "import-statement" ? { path, namespace: "in-turn" } : undefined,
    );
    onLoad({ filter: /.*/, namespace: "in-turn" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/** What makes the code is part of what it is made of. */
const makers = ["lambdas/bundle.ts", "lambdas/late.ts", "node_modules/esbuild/package.json"];

/**
 * A program as one file, its source map, and the licences of what is in it. The same sources give the same bytes, wherever
 * they lie.
 * @param entry path in the repository
 */
export async function bundle(entry: string): Promise<{ files: OutputFile[]; sources: string[] }> {
  const options = {
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node24",
    minify: true,
    sourcemap: "external",
    legalComments: "external",
    // A single letter beyond Latin makes V8 keep, and read, two bytes for each of all the others.
    charset: "ascii",
    plugins: [leftOut, inTurn],
    logLevel: "silent",
  } satisfies BuildOptions;
  const late = await buildLate(entry, options);
  const { outputFiles, metafile } = await build({
    ...options,
    entryPoints: [entry],
    // Never written there: paths in the map are relative to it.
    outfile: join(root, "out", "index.mjs"),
    format: "esm",
    banner: { js: banner },
    plugins: [...(late === undefined ? [] : [withLate(late, root)]), ...options.plugins],
    metafile: true,
    write: false,
  });
  // Node's own modules, what is left out, and what is late have a namespace before their name.
  const inputs = [...Object.keys(metafile.inputs), ...(late?.sources ?? [])].filter(
    (path) => !/^((in-turn|left-out|late|before):|late$)/.test(path),
  );
  const apart = late?.files.filter(({ path }) => !path.endsWith(lateName)) ?? [];
  return { files: [...outputFiles, ...apart], sources: [...new Set([...inputs, ...makers])].sort() };
}

/** Makes the code of a function, `<folder>/<name>/index.mjs`, with what it reads of the model beside it; map and licences stand apart, in `<folder>/maps`. */
export async function bundleLambda<Name extends LambdaName>(
  name: Name,
  folder: string,
  shipping: Shipping<Name>,
): Promise<Bundled> {
  const target = join(folder, name);
  const { files, sources } = await bundle(`lambdas/${name}/index.ts`);
  await Promise.all([target, join(folder, "maps")].map((path) => mkdir(path, { recursive: true })));
  let bytes = 0;
  for (const { path, contents } of files) {
    const file = basename(path);
    if (file === "index.mjs") bytes = contents.length;
    const place = file === "index.mjs" ? join(target, file) : join(folder, "maps", `${name}.${file}`);
    await writeFile(place, contents);
  }
  await writeFile(join(target, "model.json"), JSON.stringify(shipping));
  return { folder: target, bytes, sources };
}
