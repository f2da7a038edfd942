/**
 * What decides how a change is judged, from the repository's root: whoever changes it changes the rules. The same paths
 * stand in .github/CODEOWNERS.
 */
export const ruleFiles: readonly string[] = [
  ".github/",
  "cli/",
  "clients/",
  "infra/",
  "local/gates.ts",
  "model/",
  "operations/audit/",
  "operations/gates/",
  "operations/scan/",
  "policies/",
  ".keyplane-scan.json",
  ".pre-commit-config.yaml",
  ".secrets.baseline",
  "Pulumi.local.yaml",
  "Pulumi.production.yaml",
  "Pulumi.staging.yaml",
  "Pulumi.yaml",
  "package-lock.json",
  "package.json",
  "setup.mjs",
];

/** Those of some paths that decide. */
export function rulesAmong(paths: readonly string[]): string[] {
  return paths.filter((path) =>
    ruleFiles.some((rule) => (rule.endsWith("/") ? path.startsWith(rule) : path === rule)),
  );
}
