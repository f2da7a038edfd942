/** A value that no env-file can carry to every reader alike. Names the variable and the reason, never the value. */
export class EnvFileError extends Error {
  override name = "EnvFileError";
}

/**
 * The text of an env-file that a POSIX shell (`set -a; . file`), `docker compose --env-file` and dotenv parsers read
 * alike: every value in single quotes, between which all of them take every character as it is; in double quotes where
 * it holds a single quote and nothing that one of them would expand.
 * https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02,
 * https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax
 * @throws EnvFileError naming every variable whose value they would read differently
 */
export function envText(variables: Record<string, string>): string {
  const names = Object.keys(variables).sort();
  const problems = names.flatMap((name) => {
    const problem = problemOf(name, variables[name] ?? "");
    return problem === undefined ? [] : [`${name} ${problem}`];
  });
  if (problems.length > 0) {
    throw new EnvFileError(
      `an env-file cannot carry ${problems.join("; ")}: deliver it as a file (a variable that ends in _FILE)`,
    );
  }
  return names.map((name) => `${name}=${quoted(variables[name] ?? "")}\n`).join("");
}

function quoted(value: string): string {
  return value.includes("'") ? `"${value}"` : `'${value}'`;
}

function problemOf(name: string, value: string): string | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return "is no name of a variable";
  if (!value.isWellFormed()) return "(is no valid Unicode)";
  if (value.includes("\0")) return "(holds a NUL byte)";
  if (value.includes("\r")) return "(holds a carriage return, which parsers turn into a line feed)";
  if (value.endsWith("\\")) return "(ends in a backslash, which escapes the quote after it)";
  if (!value.includes("'")) return undefined;
  const other = /["\\$`]/.exec(value)?.[0];
  return other === undefined ? undefined : `(holds both ' and ${other}, which readers quote differently)`;
}
