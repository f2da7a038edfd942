import { Agent } from "undici";

const agent = new Agent({ connections: 16 });

/** One request over a connection that is kept: the answer's status. @throws where the connection breaks before it */
export async function ask(
  url: string,
  {
    method,
    headers,
    body,
  }: { method: "GET" | "POST" | "PUT"; headers: Record<string, string>; body?: Buffer | string },
): Promise<number> {
  const { origin, pathname: path } = new URL(url);
  const answer = await agent.request({ origin, path, method, headers, ...(body !== undefined && { body }) });
  await answer.body.dump();
  return answer.statusCode;
}
