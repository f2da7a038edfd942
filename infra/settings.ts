import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Config, getStack } from "@pulumi/pulumi";
import type { LambdaName } from "../model/aws.ts";
import { lambdaCode } from "./lambda-code.ts";

/** The folder of Pulumi.yaml; the CLI runs the program in the folder of its entry. */
const project = resolve(import.meta.dirname, "..");

export interface Settings {
  /** The catalogue's folder. */
  catalogue: string;
  environment: string;
  part: string;
  bootstrapPasswords: Record<string, string>;
  /** Folder of each function's bundle. */
  lambdaCode: Record<LambdaName, string>;
}

/**
 * Everything that the program is told, read in this one place: the stack's configuration, and the file that
 * KEYPLANE_BOOTSTRAP_PASSWORDS names where new databases need their managers' first passwords.
 * A stack is named after its environment, or `<environment>.<part>` where the environment is built in parts.
 * @throws when that file is not an object of texts; never with what it holds.
 */
export function settings(): Settings {
  const config = new Config("keyplane");
  const [environment = "", part] = getStack().split(".");
  const passwords = process.env.KEYPLANE_BOOTSTRAP_PASSWORDS;
  const named = config.get("environment") ?? environment;
  return {
    catalogue: resolve(project, config.get("catalogue") ?? "catalogue"),
    environment: named,
    part: config.get("part") ?? part ?? "all",
    bootstrapPasswords: passwords === undefined ? {} : passwordsFrom(passwords),
    lambdaCode: lambdaCode(resolve(project, process.env.KEYPLANE_LAMBDAS ?? `.keyplane/lambdas/${named}`)),
  };
}

function passwordsFrom(file: string): Record<string, string> {
  const fix = 'write an object of connection names and passwords, such as {"titan.ledger": "…"}';
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new Error(`KEYPLANE_BOOTSTRAP_PASSWORDS names ${file}, which cannot be read as JSON: ${fix}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${file} is not an object: ${fix}`);
  }
  const odd = Object.entries(value).find(([, password]) => typeof password !== "string" || password === "");
  if (odd !== undefined) throw new Error(`${file}: the password of "${odd[0]}" is not a text: ${fix}`);
  return value as Record<string, string>;
}
