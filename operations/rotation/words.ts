/** Errors that anything may throw, with anything in their message: a driver's may quote a statement. */
const foreign =
  /^(Error|TypeError|RangeError|SyntaxError|ReferenceError|AggregateError|error|DatabaseError)$/;

/**
 * An error in words for journals, logs and people: those of our own classes never hold a value; of all others the name is
 * told, and their code (SQLSTATE, errno).
 */
export function inWords(error: unknown): string {
  if (!(error instanceof Error)) return "an unexpected error";
  return foreign.test(error.name) ? unexpected(error) : error.message;
}

/** An error whose message is not repeated, as anything may stand in it. */
export function unexpected(error: unknown): string {
  if (!(error instanceof Error)) return "an unexpected error";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const known = /^[A-Z0-9_]{3,40}$/.test(code) ? ` (${code})` : "";
  return `an unexpected ${/^[A-Za-z]{3,40}$/.test(error.name) ? error.name : "error"}${known}`;
}
