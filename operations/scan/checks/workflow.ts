import type { Kind } from "../detector.ts";
import type { Finding } from "../finding.ts";
import { isInlineSecret } from "./literal.ts";
import type { Repository } from "./repository.ts";
import { findingsAt } from "./yaml.ts";

const inline: Kind = {
  id: "workflow-inline-secret",
  what: "a secret that stands in a CI file",
  revoke: "replace the value, and let the job read it with its OIDC login, or from the CI's secrets",
};

/** Where a CI's file gives names values. */
const givers = /^(?:env|with|secrets|variables|environment|inputs|args|build-args)$/;

/** Files of CI hold no value (R56), only expressions that name where it is. */
export async function workflows({ paths, read }: Repository): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const path of paths.filter(isWorkflow)) {
    const text = await read(path);
    if (text !== undefined) findings.push(...inWorkflow(path, text));
  }
  return findings;
}

export function isWorkflow(path: string): boolean {
  return /^\.github\/(?:workflows|actions)\/.*\.ya?ml$|(?:^|\/)action\.ya?ml$|(?:^|\/)\.gitlab-ci\.ya?ml$|^\.circleci\/config\.ya?ml$|^azure-pipelines\.ya?ml$|^bitbucket-pipelines\.ya?ml$|^\.drone\.ya?ml$|^\.travis\.ya?ml$/.test(
    path,
  );
}

/** What of one CI file is a value. */
export function inWorkflow(path: string, text: string): Finding[] {
  return findingsAt(text, ({ keys, value, line, column }) => {
    const name = keys.at(-1) ?? "";
    if (!givers.test(keys.at(-2) ?? "") || !isInlineSecret(name, value)) return undefined;
    // `secrets: inherit`, and what only says whether one is needed.
    if (/^(?:inherit|required|write|read)$/.test(value)) return undefined;
    return { kind: inline, path, line, column, message: `${name} has its value in the file` };
  });
}
