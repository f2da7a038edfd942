/** GitHub refused, or could not be reached. Says what to do; never with the token. */
export class GitHubError extends Error {
  override name = "GitHubError";
  readonly status: number | undefined;
  constructor(message: string, status?: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

export interface GitHub {
  /** Base URL of the REST API, e.g. https://api.github.com */
  api: string;
  /** owner/name */
  repository: string;
  token: string;
}

/** @throws GitHubError */
export async function ask(
  { api, token }: GitHub,
  method: "GET" | "POST" | "PATCH",
  path: string,
  body?: unknown,
): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(`${api}${path}`, {
      method,
      headers: {
        accept: "application/vnd.github+json",
        authorization: `Bearer ${token}`,
        "x-github-api-version": "2022-11-28",
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
  } catch (cause) {
    throw new GitHubError(`GitHub could not be reached at ${new URL(api).host}: run it again`, undefined, {
      cause,
    });
  }
  if (response.ok) return response.json();
  await response.body?.cancel();
  const fix =
    response.status === 403 || response.status === 401
      ? "give the job the permission pull-requests: write or issues: write"
      : "see https://www.githubstatus.com, then run it again";
  throw new GitHubError(`GitHub answered ${method} ${path} with ${response.status}: ${fix}`, response.status);
}

/** Every page of a list. */
export async function listAll(github: GitHub, path: string): Promise<unknown[]> {
  const all: unknown[] = [];
  for (let page = 1; ; page++) {
    const some = await ask(
      github,
      "GET",
      `${path}${path.includes("?") ? "&" : "?"}per_page=100&page=${page}`,
    );
    if (!Array.isArray(some)) throw new GitHubError(`GitHub answered GET ${path} with no list`);
    all.push(...some);
    if (some.length < 100) return all;
  }
}
