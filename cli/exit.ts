/** What a process's end means to a script. The one place that maps errors to it. */
export const exit = {
  clean: 0,
  /** Drift, a violation, a file that is not what it should be. */
  finding: 1,
  /** Wrong input or wrong usage. */
  input: 2,
  /** A system could not be reached. */
  unreachable: 3,
  /** Stopped half-way; the same command carries on. */
  resumable: 4,
} as const;

export type ExitCode = (typeof exit)[keyof typeof exit];

/** Names rather than classes: this table must not load Vault's client to say that YAML is wrong. */
export const codes: Record<string, ExitCode> = {
  AgeError: exit.input,
  BaselineError: exit.input,
  CatalogueError: exit.input,
  ColumnError: exit.input,
  DeliveryError: exit.input,
  EnrolmentError: exit.input,
  EnvFileError: exit.input,
  FernetKeyError: exit.input,
  GitError: exit.input,
  HomeError: exit.input,
  MissingValuesError: exit.input,
  PathError: exit.input,
  ProblemsError: exit.input,
  RuleError: exit.input,
  UnknownNameError: exit.input,
  UsageError: exit.input,
  NoWayBackError: exit.input,
  RotationError: exit.input,
  SecretsManagerError: exit.input,
  ValueError: exit.input,
  AuditCommandError: exit.finding,
  CiphertextRemainsError: exit.finding,
  EvidenceError: exit.finding,
  GateError: exit.finding,
  GateEvidenceError: exit.finding,
  JournalError: exit.finding,
  PersonNeededError: exit.finding,
  ProbeError: exit.finding,
  ProviderError: exit.finding,
  QuotaError: exit.finding,
  StillAcceptedError: exit.finding,
  UsersFileError: exit.finding,
  ArchiveError: exit.unreachable,
  BuildError: exit.unreachable,
  DownloadError: exit.unreachable,
  GitMissingError: exit.unreachable,
  GitHubError: exit.unreachable,
  KubernetesUnreachableError: exit.unreachable,
  LoginError: exit.unreachable,
  ServiceError: exit.unreachable,
  ServicesDownError: exit.unreachable,
  ToolchainError: exit.unreachable,
  UnreachableError: exit.unreachable,
  SecretsManagerUnreachableError: exit.unreachable,
  TargetUnavailableError: exit.unreachable,
  VaultUnreachableError: exit.unreachable,
  AbortError: exit.resumable,
  ConflictError: exit.resumable,
  HeldError: exit.resumable,
  LeaseLostError: exit.resumable,
  RotationFailedError: exit.resumable,
  SopsError: exit.resumable,
  StaleBundleError: exit.resumable,
  UpdateError: exit.resumable,
};

/** Someone asked for something that cannot be: a wrong option, name or combination. */
export class UsageError extends Error {
  override name = "UsageError";
}

/**
 * The exit code of an error. What nobody foresaw counts as stopped half-way: every command can be run again.
 * A `status` of 4xx means that the server understood and refused (Vault's client): wrong input.
 */
export function exitCode(error: unknown): ExitCode {
  if (!(error instanceof Error)) return exit.resumable;
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map(exitCode).toSorted().at(-1) ?? exit.resumable;
  }
  const known = codes[error.name];
  if (known !== undefined) return known;
  if ("status" in error && typeof error.status === "number") {
    return error.status >= 500 || error.status === 429 ? exit.unreachable : exit.input;
  }
  return error.cause === undefined ? exit.resumable : exitCode(error.cause);
}
