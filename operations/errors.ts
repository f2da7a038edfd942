/** What an error of ours means to whoever runs us; an `answer` means what its `status` does. */
export type Meaning = "finding" | "input" | "unreachable" | "resumable" | "answer";

/**
 * Our own errors, the one table of them: their messages say what to do and never hold a value. Names rather than classes:
 * nothing has to be loaded to say that YAML is wrong.
 */
export const meanings: Record<string, Meaning> = {
  AgeError: "input",
  BaselineError: "input",
  CatalogueError: "input",
  ColumnError: "input",
  DeliveryError: "input",
  EnrolmentError: "input",
  EnvFileError: "input",
  FernetKeyError: "input",
  GitError: "input",
  HomeError: "input",
  LackingFieldError: "input",
  MissingValuesError: "input",
  PathError: "input",
  ProblemsError: "input",
  RuleError: "input",
  UnknownNameError: "input",
  UnreachedError: "input",
  UsageError: "input",
  NoWayBackError: "input",
  RotationError: "input",
  SecretsManagerError: "input",
  ValueError: "input",
  AuditCommandError: "finding",
  CommandError: "finding",
  CiphertextRemainsError: "finding",
  EvidenceError: "finding",
  GateError: "finding",
  GateEvidenceError: "finding",
  JournalError: "finding",
  PersonNeededError: "finding",
  ProbeError: "finding",
  ProviderError: "finding",
  QuotaError: "finding",
  StillAcceptedError: "finding",
  UnkeptEvidenceError: "finding",
  UsersFileError: "finding",
  ArchiveError: "unreachable",
  BuildError: "unreachable",
  DownloadError: "unreachable",
  GitMissingError: "unreachable",
  GitHubError: "unreachable",
  KubernetesUnreachableError: "unreachable",
  LoginError: "unreachable",
  PortTakenError: "unreachable",
  ServiceError: "unreachable",
  ServicesDownError: "unreachable",
  ToolchainError: "unreachable",
  UnreachableError: "unreachable",
  SecretsManagerUnreachableError: "unreachable",
  TargetUnavailableError: "unreachable",
  VaultUnreachableError: "unreachable",
  AbortError: "resumable",
  ConflictError: "resumable",
  HeldError: "resumable",
  LeaseLostError: "resumable",
  RotationFailedError: "resumable",
  SopsError: "resumable",
  StaleBundleError: "resumable",
  UpdateError: "resumable",
  KubernetesError: "answer",
  VaultError: "answer",
};

/** What an error means, by its name; undefined where it is none of ours. */
export function meaningOf(error: Error): Meaning | undefined {
  return Object.hasOwn(meanings, error.name) ? meanings[error.name] : undefined;
}

/**
 * An error in words for journals, logs and comments: what our own say is repeated. In any other's message anything may
 * stand, as a driver quotes a statement: its name is told, and its code (SQLSTATE, errno).
 */
export function inWords(error: unknown): string {
  if (!(error instanceof Error)) return "an unexpected error";
  if (meaningOf(error) !== undefined) return error.message;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const known = /^[A-Z0-9_]{3,40}$/.test(code) ? ` (${code})` : "";
  return `an unexpected ${/^[A-Za-z]{3,40}$/.test(error.name) ? error.name : "error"}${known}`;
}
