import type { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import { type Answered, ask, connections } from "./http.ts";

export interface AwsOptions {
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  /** In place of AWS' own, e.g. an emulator's. */
  endpoint?: string;
}

/** A secret as DescribeSecret tells it: no value. */
export interface SecretDescription {
  name: string;
  rotates: boolean;
  /** Version id → its staging labels; versions without labels are left out. */
  versions: Record<string, string[]>;
  made: Date;
  /** When a rotation succeeded last. */
  rotated: Date | undefined;
  /** By when the next rotation is to be; in the past where it failed. */
  next: Date | undefined;
}

/**
 * Secrets Manager refused. Carries the action, the secret, its own code (e.g. ResourceNotFoundException) and words; never a
 * value that we sent.
 */
export class SecretsManagerError extends Error {
  override name = "SecretsManagerError";
  readonly code: string;
  constructor(action: string, secret: string, code: string, said: string) {
    super(`Secrets Manager: ${action} of ${secret}: ${code}${said === "" ? "" : `: ${said}`}`);
    this.code = code;
  }
}

/** Secrets Manager could not be reached, or asks to wait, several times in a row. */
export class SecretsManagerUnreachableError extends Error {
  override name = "SecretsManagerUnreachableError";
}

/** Tries of one request, and milliseconds before the second; doubled each time, with up to half of it by chance. */
const tries = 5;
const firstPause = 100;
/** Milliseconds for one try. */
const timeout = 5_000;

/** What Secrets Manager says when the same request may do better later. */
const passing = new Set(["ThrottlingException", "InternalServiceError", "InternalServiceErrorException"]);

/**
 * The calls of Secrets Manager that a rotation needs; the official client alone is larger than a whole function may
 * be. https://docs.aws.amazon.com/secretsmanager/latest/apireference
 */
export class SecretsManager {
  readonly #options: AwsOptions;
  readonly #url: URL;
  readonly #agent: Agent;

  constructor(options: AwsOptions) {
    this.#options = options;
    this.#url = new URL(options.endpoint ?? `https://secretsmanager.${options.region}.amazonaws.com`);
    this.#agent = connections(this.#url.href);
  }

  /** @throws SecretsManagerError, SecretsManagerUnreachableError, as do all of them */
  async describe(secret: string): Promise<SecretDescription> {
    const found = await this.#call("DescribeSecret", secret, {});
    return {
      name: String(found.Name),
      rotates: found.RotationEnabled === true,
      versions: (found.VersionIdsToStages ?? {}) as Record<string, string[]>,
      made: dateOf(found.CreatedDate) ?? new Date(),
      rotated: dateOf(found.LastRotatedDate),
      next: dateOf(found.NextRotationDate),
    };
  }

  /** Starts a rotation, by the function that the secret has. @param token the same again starts no second one @returns the version that is to come into force */
  async rotate(secret: string, token: string): Promise<string> {
    const { VersionId } = await this.#call("RotateSecret", secret, { ClientRequestToken: token });
    return String(VersionId);
  }

  /** The text of the version with a label (and id, where it is given); undefined where there is none, or it is empty. */
  async value(
    secret: string,
    { label, version }: { label: string; version?: string },
  ): Promise<string | undefined> {
    try {
      const found = await this.#call("GetSecretValue", secret, {
        VersionStage: label,
        ...(version !== undefined && { VersionId: version }),
      });
      return typeof found.SecretString === "string" ? found.SecretString : undefined;
    } catch (error) {
      if (error instanceof SecretsManagerError && error.code === "ResourceNotFoundException")
        return undefined;
      throw error;
    }
  }

  /** Keeps a text as a version; the same again changes nothing. */
  async put(
    secret: string,
    { version, label, value }: { version: string; label: string; value: string },
  ): Promise<void> {
    const body = { ClientRequestToken: version, SecretString: value, VersionStages: [label] };
    await this.#call("PutSecretValue", secret, body);
  }

  /** Moves a label from one version to another, or only puts it there, or only takes it away. */
  async label(secret: string, label: string, { to, from }: { to?: string; from?: string }): Promise<void> {
    await this.#call("UpdateSecretVersionStage", secret, {
      VersionStage: label,
      ...(to !== undefined && { MoveToVersionId: to }),
      ...(from !== undefined && { RemoveFromVersionId: from }),
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  async #call(
    action: string,
    secret: string,
    parameters: Record<string, unknown>,
  ): Promise<Record<string, unknown>> {
    const body = JSON.stringify({ SecretId: secret, ...parameters });
    for (let count = 1, pause = firstPause; ; count++, pause *= 2) {
      const outcome = await this.#once(action, body).catch((error: unknown) => error);
      const { code, answer, why } = read(outcome);
      if (code === undefined) return answer;
      const passes = code === "" || passing.has(code);
      if (!passes) throw new SecretsManagerError(action, secret, code, why);
      if (count === tries) {
        throw new SecretsManagerUnreachableError(
          `Secrets Manager at ${this.#url.host}: ${action} of ${secret} did not succeed in ${tries} tries (${why})`,
          { cause: outcome instanceof Error ? outcome : undefined },
        );
      }
      await sleep(pause * (1 + Math.random() / 2));
    }
  }

  async #once(action: string, body: string): Promise<Answered> {
    const { region, credentials } = this.#options;
    const signed = await new AwsV4Signer({
      url: this.#url.href,
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": `secretsmanager.${action}` },
      body,
      ...credentials,
      service: "secretsmanager",
      region,
    }).sign();
    return ask(signed.url, {
      method: "POST",
      agent: this.#agent,
      signal: AbortSignal.timeout(timeout),
      headers: Object.fromEntries(signed.headers),
      body,
    });
  }
}

/** Seconds since 1970, with a fraction. */
function dateOf(seconds: unknown): Date | undefined {
  return typeof seconds === "number" ? new Date(seconds * 1000) : undefined;
}

/** `code` is undefined for an answer, "" for what came from no Secrets Manager. */
function read(outcome: unknown): { code: string | undefined; answer: Record<string, unknown>; why: string } {
  if (outcome instanceof Error) {
    return { code: "", answer: {}, why: outcome.message || outcome.name };
  }
  const { status, text } = outcome as Answered;
  const answer = parse(text);
  if (answer === undefined || status >= 500) return { code: "", answer: {}, why: `it answers ${status}` };
  if (status < 300) return { code: undefined, answer, why: "" };
  // Some come with a namespace: com.amazonaws.secretsmanager#ResourceNotFoundException
  const code = String(answer.__type ?? "Unknown").replace(/^.*#/, "");
  return { code, answer: {}, why: String(answer.message ?? answer.Message ?? "") };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const answer: unknown = text === "" ? {} : JSON.parse(text);
    return typeof answer === "object" && answer !== null ? (answer as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
