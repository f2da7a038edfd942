import { join, relative } from "node:path";
import { type BuildOptions, build, type OutputFile, type Plugin } from "esbuild";

/** What a program loads only by `import()`: the modules that are asked for so, and the text that has them and all of theirs. */
export interface Late {
  doors: string[];
  /** A script of CommonJS, and its source map. */
  files: OutputFile[];
  /** Modules that the program has loaded before: the script asks for these rather than having them twice. */
  shared: string[];
  sources: string[];
}

/** Name of the script in stack traces; its map stands apart, as the program's does. */
export const lateName = "index.late.cjs";
const before = "before:";

/**
 * Builds apart what the entry reaches by `import()` alone. V8 reads the text of a whole file before it runs any of it, and a
 * text within quotes a tenth as long: so what runs later stands in the same file as a text, and is compiled when it is asked for.
 * @param entry path from the working folder of the options; undefined where nothing is late
 */
export async function buildLate(
  entry: string,
  options: BuildOptions & { absWorkingDir: string },
): Promise<Late | undefined> {
  const { absWorkingDir: root } = options;
  const { metafile } = await build({
    ...options,
    entryPoints: [entry],
    outfile: join(root, "out", "index.mjs"),
    format: "esm",
    metafile: true,
    write: false,
  });
  const early = new Set([entry]);
  const asked = new Set<string>();
  for (const path of early) {
    for (const { path: to, kind } of metafile?.inputs[path]?.imports ?? []) {
      if (kind === "dynamic-import") asked.add(to);
      else early.add(to);
    }
  }
  const doors = [...asked].filter((path) => !early.has(path)).sort();
  if (doors.length === 0) return undefined;
  const shared = new Set<string>();
  const asking: Plugin = {
    name: "shared",
    setup({ onResolve, resolve }) {
      onResolve({ filter: /^[^:]*$/ }, async ({ path, pluginData, ...from }) => {
        if (pluginData === before || from.kind === "entry-point") return undefined;
        const found = await resolve(path, { ...from, pluginData: before });
        const name = relative(root, found.path);
        if (found.namespace !== "file" || found.external || !early.has(name)) return found;
        shared.add(name);
        return { path: before + name, external: true };
      });
    },
  };
  const { outputFiles = [], metafile: made } = await build({
    ...options,
    stdin: {
      // Not asked for one by one: V8 would read each function within a module's own once more.
      contents: doors
        .map((path, index) => `export * as door${index} from ${JSON.stringify(`./${path}`)};`)
        .join("\n"),
      resolveDir: root,
      sourcefile: "late",
    },
    outfile: join(root, "out", lateName),
    format: "cjs",
    banner: {},
    // What is late within it is compiled with it.
    supported: { "dynamic-import": false },
    plugins: [asking, ...(options.plugins ?? [])],
    metafile: true,
    write: false,
  });
  return { doors, files: outputFiles, shared: [...shared].sort(), sources: Object.keys(made?.inputs ?? {}) };
}

/** Has each `import()` of what is late compile the text, once. */
export function withLate({ doors, files, shared }: Late, root: string): Plugin {
  const text = files.find(({ path }) => path.endsWith(lateName))?.text ?? "";
  const have = shared.map(
    (path) => `${JSON.stringify(before + path)}: () => require(${JSON.stringify(`./${path}`)})`,
  );
  const contents = `
    const have = { ${have.join(", ")} };
    const script = process.getBuiltinModule("node:vm").compileFunction(${JSON.stringify(text)},
      ["exports", "require", "module"], { filename: ${JSON.stringify(lateName)} });
    script(exports, (name) => (Object.hasOwn(have, name) ? have[name]() : require(name)), module);`;
  return {
    name: "late",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /./ }, async ({ path, kind, resolveDir }) => {
        const at = relative(root, join(resolveDir, path));
        return kind === "dynamic-import" && doors.includes(at) ? { path: at, namespace: "late" } : undefined;
      });
      onResolve({ filter: /^late:text$/ }, () => ({ path: "text", namespace: "late" }));
      onLoad({ filter: /./, namespace: "late" }, ({ path }) => ({
        contents:
          path === "text" ? contents : `module.exports = require("late:text").door${doors.indexOf(path)};`,
        resolveDir: root,
      }));
    },
  };
}
