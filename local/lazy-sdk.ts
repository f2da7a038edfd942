import { createRequire, Module } from "node:module";

/**
 * What the SDK loads at its start and a recorded program never comes to: what serializes JavaScript functions, which no
 * program of ours has (two thirds of the time of its import), what drives an engine, compares versions and traces calls.
 */
const unused = [
  ...["typescript", "@npmcli/arborist", "normalize-package-data"],
  ...["./automation", "semver", "@opentelemetry/api"],
];

/** Lets the SDK load at their first use what it has no use for here. To be called before the SDK is imported. */
export function loadSdkLazily(): void {
  const sdk = createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi"));
  for (const name of unused) {
    const file = placeOf(sdk, name);
    if (file === undefined || sdk.cache[file] !== undefined) continue;
    const placeholder = new Module(file);
    placeholder.filename = file;
    placeholder.loaded = true;
    placeholder.exports = onFirstUse(() => {
      delete sdk.cache[file];
      return sdk(name);
    });
    sdk.cache[file] = placeholder;
  }
}

/** Undefined where it is not installed: TypeScript is optional to the SDK, which has an old one of its own. */
function placeOf(sdk: NodeJS.Require, name: string): string | undefined {
  try {
    return sdk.resolve(name);
  } catch {
    return undefined;
  }
}

type Exports = { [name: string | symbol]: unknown };

/** Exports of a CommonJS module that is loaded when one of them is read; compiled imports must not copy them before. */
function onFirstUse(load: () => Exports): Exports {
  let loaded: Exports | undefined;
  const found = () => {
    loaded ??= load();
    return loaded;
  };
  return new Proxy<Exports>(
    {},
    {
      get(_, name) {
        if (name === "__esModule") return true;
        return name === "default" ? (found().default ?? found()) : found()[name];
      },
      // An `import` asks whether it has a name before it reads it.
      getOwnPropertyDescriptor(_, name) {
        const own = Object.getOwnPropertyDescriptor(found(), name);
        return own && { ...own, configurable: true };
      },
    },
  );
}
