import type { Model } from "../model/model.ts";
import type { Report, Step } from "../operations/progress.ts";
import { steps } from "../operations/rotation/journal.ts";
import { type Accepted, drainOf } from "../operations/rotation/overlap.ts";

/** What is known of one rotation while it runs. */
interface Line {
  began: number;
  /** When the present step began. */
  since: number;
  step: string;
  text: string;
}

export interface RotationProgress {
  report: Report;
  end(): void;
}

/** What the time that a rotation takes depends on: its consumers, and how long it drains, in seconds. */
interface Rotated {
  /** In their order. */
  steps: readonly string[];
  consumers: readonly { role: string }[];
  drains: number;
}

/** An encryption key is brought to nobody: Vault works with it. */
const keySteps = ["generate", "migrate", "drain", "revoke", "verify", "done"];

/**
 * Adds the step, the time since the start and an estimate of what is left to the line of each secret and each encryption key. On a terminal the times
 * run on by themselves.
 * @param wait whether the run stays for the overlap as well
 */
export function rotationProgress(
  report: Report,
  model: Pick<Model, "secrets" | "encryptionKeys" | "rotation">,
  options: { wait: boolean; isTerminal: boolean; now?: () => number },
): RotationProgress {
  const now = options.now ?? Date.now;
  const rotated = new Map<string, Rotated>([
    ...model.secrets.map((secret) => [secret.id, rotatedOf(secret)] as const),
    ...model.encryptionKeys.map(
      ({ id, retain }) => [id, { steps: keySteps, consumers: [], drains: retain }] as const,
    ),
  ]);
  const lines = new Map<string, Line>();
  const tell = (subject: string, line: Line, isNews = false) => {
    const one = rotated.get(subject);
    const left =
      one && secondsLeft(one, line.step, (now() - line.since) / 1000, model.rotation.watch, options.wait);
    const times = [lasting((now() - line.began) / 1000), ...(left ? [`about ${lasting(left)} left`] : [])];
    const text = `${line.step}, ${times.join(", ")}: ${line.text}`;
    report({ subject, state: "progress", text, ...(isNews && { isNews }) });
  };
  const timer = options.isTerminal
    ? setInterval(() => {
        for (const [subject, line] of lines) tell(subject, line);
      }, 1000)
    : undefined;
  timer?.unref();
  return {
    report(step: Step) {
      const { subject, state, text } = step;
      if (!rotated.has(subject) || state === "unchanged") return report(step);
      const before = lines.get(subject);
      if (state === "done" || state === "failed") {
        lines.delete(subject);
        const took = before === undefined ? "" : ` (${lasting((now() - before.began) / 1000)})`;
        return report({ ...step, text: `${text}${took}` });
      }
      const name = step.step ?? before?.step ?? "generate";
      const line: Line = {
        began: before?.began ?? now(),
        since: before?.step === name ? before.since : now(),
        step: name,
        text,
      };
      lines.set(subject, line);
      if (before === undefined) report({ ...step, state: "started" });
      else tell(subject, line, before.step !== name || wordsOf(before.text) !== wordsOf(text));
    },
    end() {
      clearInterval(timer);
      lines.clear();
    },
  };
}

/** Another number alone is no news. */
function wordsOf(text: string): string {
  return text.replace(/\d+/g, "0");
}

export function rotatedOf(secret: Accepted): Rotated {
  return { steps, consumers: secret.consumers, drains: drainOf(secret) };
}

/** Seconds that a step usually takes, for an estimate: bringing a value to a consumer, and anything else. */
const usual = { consumer: 5, other: 1 };

/** An estimate of the seconds that are left of a rotation; undefined for a step that has no place in the order. */
export function secondsLeft(
  { steps, consumers, drains }: Rotated,
  step: string,
  spent: number,
  watch: number,
  wait: boolean,
): number | undefined {
  const at = steps.indexOf(step);
  if (at === -1) return undefined;
  const listeners = consumers.filter(({ role }) => role === "listener").length;
  const times = steps.slice(at).map((name) => {
    if (name === "deliver-listeners") return usual.consumer * listeners;
    if (name === "deliver-signers") return usual.consumer * (consumers.length - listeners);
    if (name === "watch") return watch;
    if (name === "drain") return wait ? drains : 0;
    return name === "done" ? 0 : usual.other;
  });
  const [present = 0, ...rest] = times;
  return Math.max(0, present - spent) + rest.reduce((sum, time) => sum + time, 0);
}

/** Seconds in the two largest units that they fill: "1 h 5 min", "12 s". */
export function lasting(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const units: [string, number][] = [
    ["d", Math.floor(whole / 86_400)],
    ["h", Math.floor(whole / 3600) % 24],
    ["min", Math.floor(whole / 60) % 60],
    ["s", whole % 60],
  ];
  const first = units.findIndex(([, count]) => count > 0);
  if (first === -1) return "0 s";
  return units
    .slice(first, first + 2)
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${count} ${unit}`)
    .join(" ");
}
