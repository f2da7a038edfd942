import assert from "node:assert/strict";
import type { Told } from "./at-rate.ts";
import { until } from "./until.ts";

/** What was heard in some time. */
export interface Heard {
  accepted: number;
  failed: number;
  connections: number;
  why: string[];
  perSecond: number;
  /** Milliseconds in which 99 of 100 requests had their answer. */
  p99: number;
}

/** What clients told of their requests. */
export class Load implements Told {
  accepted = 0;
  failed = 0;
  connections = 0;
  milliseconds: number[] = [];
  why: string[] = [];
  #since = performance.now();

  readonly hear = (line: string): void => {
    const told = JSON.parse(line) as Told;
    this.accepted += told.accepted;
    this.failed += told.failed;
    this.connections += told.connections;
    this.milliseconds.push(...told.milliseconds);
    this.why.push(...told.why);
  };

  /** What was heard so far, and from now on anew. */
  take(): Heard {
    const sorted = this.milliseconds.toSorted((a, b) => a - b);
    const { accepted, failed, connections, why } = this;
    const perSecond = Math.round((1000 * accepted) / (performance.now() - this.#since));
    this.accepted = this.failed = this.connections = 0;
    this.milliseconds = [];
    this.why = [];
    this.#since = performance.now();
    return {
      accepted,
      failed,
      connections,
      why,
      perSecond,
      p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    };
  }

  /** What it is like while nothing rotates. */
  async idle(requests = 400): Promise<Heard> {
    await until(() => this.accepted > requests);
    this.take();
    await until(() => this.accepted > requests);
    return noneFailed(this.take());
  }
}

export function noneFailed(heard: Heard): Heard {
  assert.deepEqual([heard.failed, heard.why], [0, []]);
  return heard;
}

/** A line for whoever reads the test's output. */
export function inWords(rotations: number, during: Heard, idle: Heard): string {
  const { accepted, perSecond, p99 } = during;
  return (
    `${rotations} rotations: ${accepted} requests, ${perSecond}/s with every restart, 0 failed; ` +
    `p99 during ÷ idle ${p99} ms ÷ ${idle.p99} ms`
  );
}
