import type { Gate, GateFinding, GateName } from "./gate.ts";

/** What the engine says of a policy; the part of its event that is used. */
export interface PolicyEvent {
  policyName: string;
  message: string;
  resourceUrn?: string;
  enforcementLevel: string;
}

/** The pack's own word on how much it has judged (policies/serve.ts). */
const counted = "keyplane-judged";

/** Gathers what the pack says while the engine runs it. */
export class PolicyLog {
  readonly findings: GateFinding[] = [];
  #alone = 0;
  #together = 0;

  add({ policyName: rule, message, resourceUrn, enforcementLevel }: PolicyEvent): void {
    if (rule === counted) {
      const [, alone, together] = /judged (\d+) resources one by one and (\d+) together/.exec(message) ?? [];
      this.#alone += Number(alone ?? 0);
      this.#together += Number(together ?? 0);
      return;
    }
    const text = message.replace(/<\{%.*?%\}>/g, "").trim();
    const [, advisory, rest] = /^(pending|excepted): (.*)$/s.exec(text) ?? [];
    // Only the pack says what is pending or excepted; any other advice is a violation that somebody toned down.
    const verdict =
      enforcementLevel !== "mandatory" && (advisory === "pending" || advisory === "excepted")
        ? advisory
        : "violated";
    const found = {
      verdict,
      rule,
      message: verdict === "violated" ? text : (rest ?? text),
      ...(resourceUrn !== undefined && { urn: resourceUrn }),
    } as const;
    // The engine repeats at the end of a run what it said before.
    const isKnown = this.findings.some(
      (each) => each.rule === rule && each.urn === found.urn && each.message === found.message,
    );
    if (!isKnown) this.findings.push(found);
  }

  /** @param of how many resources there were to judge */
  gate(name: GateName, of: number): Gate {
    return { gate: name, judged: Math.min(this.#alone, this.#together), of, findings: this.findings };
  }
}
