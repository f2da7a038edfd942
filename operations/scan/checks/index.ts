import type { Finding } from "../finding.ts";
import { archiveRules } from "./archive-rules.ts";
import { composeFiles } from "./compose.ts";
import { dockerfiles } from "./dockerfile.ts";
import { envExamples } from "./env-example.ts";
import { ignoreRules } from "./ignore-rules.ts";
import type { Repository } from "./repository.ts";
import { secretFiles } from "./secret-files.ts";
import { workflows } from "./workflow.ts";

/** What must be so in a repository, whatever values its files hold. */
const checks: readonly ((repository: Repository) => Promise<Finding[]>)[] = [
  ignoreRules,
  secretFiles,
  archiveRules,
  composeFiles,
  workflows,
  dockerfiles,
  envExamples,
];

/** Everything that is not so. */
export async function checkRepository(repository: Repository): Promise<Finding[]> {
  return (await Promise.all(checks.map((check) => check(repository)))).flat();
}
