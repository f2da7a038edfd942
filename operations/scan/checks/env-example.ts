import type { Kind } from "../detector.ts";
import type { Finding } from "../finding.ts";
import { isPlaceholder, isReference, isWellKnown } from "../placeholder.ts";
import { isRandom } from "../randomness.ts";
import { secrecyOf } from "../secret-name.ts";
import type { Repository } from "./repository.ts";

const value: Kind = {
  id: "env-example-value",
  what: "a value in an example of an environment file",
  revoke: "replace it if it is in use, and write a placeholder such as <password>",
};

/** Examples of environment files hold placeholders only (R63). */
export async function envExamples({ paths, read }: Repository): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const path of paths.filter((each) =>
    /(?:^|\/)\.env\.(?:[\w-]+\.)*(?:example|sample|template|dist)$/i.test(each),
  )) {
    const text = await read(path);
    if (text !== undefined) findings.push(...inEnvExample(path, text));
  }
  return findings;
}

/** What of one example is a value. */
export function inEnvExample(path: string, text: string): Finding[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const [, name = "", given = ""] = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)$/.exec(line) ?? [];
    const written = given
      .replace(/^(["'])(.*)\1\s*(?:#.*)?$/, "$2")
      .replace(/\s+#.*$/, "")
      .trim();
    if (written === "" || secrecyOf(name) === "none") return [];
    if (isPlaceholder(written) || isReference(written) || isWellKnown(written)) return [];
    if (!isRandom(written, 8) && !/[0-9]/.test(written)) return [];
    return [
      {
        kind: value,
        path,
        line: index + 1,
        column: line.indexOf(given) + 1,
        message: `${name} has a value that is no placeholder`,
      },
    ];
  });
}
