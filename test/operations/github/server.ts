import { createServer, type IncomingMessage, type Server } from "node:http";

export interface Entry {
  id: number;
  number: number;
  body: string;
  title?: string;
  state?: string;
  html_url: string;
  user: { type: string };
  pull_request?: object;
}

export const token = "token-of-the-job";

/** The part of GitHub's REST API that is used, on a local port: comments of pull requests, and issues. */
export class GitHubServer implements AsyncDisposable {
  entries: Entry[] = [];
  /** Method and path of each request. */
  asked: string[] = [];
  /** Another one than 200 is the answer to everything. */
  status = 200;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(({ code, value }) =>
        response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(value)),
      );
    });
  }

  static async start(): Promise<GitHubServer> {
    const started = new GitHubServer();
    await new Promise<void>((resolve) => started.#server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  /** What a job's environment has of it. */
  get environment(): Record<string, string> {
    const bound = this.#server.address();
    return {
      GITHUB_TOKEN: token,
      GITHUB_REPOSITORY: "acme/secrets",
      GITHUB_API_URL: `http://127.0.0.1:${typeof bound === "object" ? bound?.port : ""}`,
    };
  }

  entry(id: number, body: string, type = "Bot"): Entry {
    return { id, number: id, body, state: "open", html_url: `https://github.example/${id}`, user: { type } };
  }

  async #answer(request: IncomingMessage): Promise<{ code: number; value: unknown }> {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://github");
    this.asked.push(`${request.method} ${pathname}`);
    if (this.status !== 200) return { code: this.status, value: { message: "no" } };
    if (request.headers.authorization !== `Bearer ${token}`) return { code: 401, value: {} };
    if (request.method === "GET") {
      const page = Number(searchParams.get("page"));
      const there = this.entries.filter(
        ({ state }) => searchParams.get("state") !== "open" || state === "open",
      );
      return { code: 200, value: there.slice((page - 1) * 100, page * 100) };
    }
    const sent = await bodyOf(request);
    if (request.method === "PATCH") {
      const id = Number(pathname.split("/").at(-1));
      const found = this.entries.find((entry) => entry.id === id);
      if (found === undefined) return { code: 404, value: {} };
      return { code: 200, value: Object.assign(found, sent) };
    }
    const made = { ...this.entry(this.entries.length + 1, sent.body ?? ""), ...sent };
    this.entries.push(made);
    return { code: 201, value: made };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function bodyOf(request: IncomingMessage): Promise<Partial<Entry>> {
  let text = "";
  for await (const part of request) text += String(part);
  return JSON.parse(text) as Partial<Entry>;
}
