import { execFile } from "node:child_process";

/** age failed. Its own words are kept out: they may quote what it read. */
export class AgeError extends Error {
  override name = "AgeError";
}

/**
 * Encrypts a text to one person, armored, so that it may stand where others read. The text goes in on standard input.
 * @param age path of the executable
 * @param recipient public half, age1…
 */
export function encryptTo(age: string, recipient: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(age, ["--encrypt", "--armor", "--recipient", recipient], (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(new AgeError(`age could not encrypt to ${recipient}: is it a whole age recipient?`));
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(text);
  });
}
