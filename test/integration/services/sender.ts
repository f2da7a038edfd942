import { answered } from "./answered.ts";
import { atRate } from "./at-rate.ts";
import { ask } from "./http-client.ts";

/**
 * Sends each message to every one of LISTENERS, RATE a second in all, until it is told to end. A connection that breaks is
 * no answer: the message is sent again. A refusal is one, and fails.
 * @param authorize headers that show who sends a body
 * @param asksAgain whether a refusal is none either: of what has one value at a time, whoever is refused looks for the next
 */
export async function send(
  authorize: (body: Buffer) => Promise<Record<string, string>>,
  { asksAgain = false } = {},
): Promise<never> {
  const listeners = (process.env.LISTENERS ?? "").split(",");
  return atRate(async (number) => {
    const signal = Math.floor(number / listeners.length);
    const body = Buffer.from(JSON.stringify({ signal, at: Date.now() }));
    const listener = listeners[number % listeners.length] ?? "";
    let headers: Record<string, string> | undefined;
    return answered(
      async () => {
        headers ??= await authorize(body);
        const isAccepted = (await ask(listener, { method: "POST", headers, body })) === 204;
        if (!isAccepted) headers = undefined;
        return isAccepted;
      },
      { asksAgain },
    );
  });
}
