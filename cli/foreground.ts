import { Child, type ExitStatus } from "../operations/delivery/child.ts";

/** Runs a command on our terminal, passes on the signals that ask us to end, and waits for it. */
export async function foreground(words: string[], env: NodeJS.ProcessEnv): Promise<ExitStatus> {
  const child = await Child.start(words, env);
  if (typeof child === "number") return child;
  const pass = (signal: NodeJS.Signals) => child.signal(signal);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, pass);
  const code = await child.ended;
  for (const signal of signals) process.off(signal, pass);
  return code;
}
