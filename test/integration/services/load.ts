import assert from "node:assert/strict";
import { awayDuring, type Span } from "./away.ts";
import { piece, type Told } from "./told.ts";
import { until } from "./until.ts";

/** Requests a second that are made whatever becomes of those before: less is no load. */
const least = 200;

/**
 * Milliseconds without one accepted request that are an outage, beside what the restarts in them took: a service stops
 * within 15 s (`compose.ts`), so what a client did not reach for longer was no restart's doing.
 */
const outage = 15_000;

/** What was heard in some time. */
export interface Heard {
  begun: number;
  accepted: number;
  failed: number;
  connections: number;
  why: string[];
  perSecond: number;
  /** Milliseconds in which 99 of 100 requests had their answer. */
  p99: number;
  /** Milliseconds that it lasted, and of these without any service that was being restarted. */
  lasted: number;
  undisturbed: number;
  /** The longest time without an accepted request, and the longest less the restarts in it; milliseconds. */
  gap: number;
  unexplained: number;
}

/** What clients told of their requests. */
export class Load implements Told {
  begun = 0;
  accepted = 0;
  failed = 0;
  connections = 0;
  milliseconds: number[] = [];
  acceptedIn: number[] = [];
  why: string[] = [];
  #since = Date.now();

  readonly hear = (line: string): void => {
    const told = JSON.parse(line) as Told;
    this.begun += told.begun;
    this.accepted += told.accepted;
    this.failed += told.failed;
    this.connections += told.connections;
    this.milliseconds.push(...told.milliseconds);
    this.acceptedIn.push(...told.acceptedIn);
    this.why.push(...told.why);
  };

  /** What was heard so far, and from now on anew. */
  take(): Heard {
    const sorted = this.milliseconds.toSorted((a, b) => a - b);
    const { begun, accepted, failed, connections, why } = this;
    const span = { from: this.#since, to: Date.now() };
    const lasted = span.to - span.from;
    const gaps = this.#gaps(span);
    this.begun = this.accepted = this.failed = this.connections = 0;
    this.milliseconds = [];
    this.acceptedIn = [];
    this.why = [];
    this.#since = span.to;
    return {
      ...{ begun, accepted, failed, connections, why, lasted },
      perSecond: Math.round((1000 * accepted) / lasted),
      p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      undisturbed: lasted - awayDuring(span),
      gap: Math.max(...gaps.map(({ from, to }) => to - from)),
      unexplained: Math.max(...gaps.map((gap) => gap.to - gap.from - awayDuring(gap))),
    };
  }

  /** Waits until so many more requests are accepted: a quick machine would rotate several times between two of them. */
  async more(requests = 100): Promise<void> {
    const wanted = this.accepted + requests;
    await until(() => this.accepted >= wanted);
  }

  /** What it is like while nothing rotates. */
  async idle(requests = 400): Promise<Heard> {
    await this.more(requests);
    this.take();
    await this.more(requests);
    const heard = this.take();
    assert.deepEqual([heard.failed, heard.why], [0, []]);
    return heard;
  }

  /** Times between one accepted request and the next. */
  #gaps({ from, to }: Span): Span[] {
    const times = [...new Set(this.acceptedIn)].map((number) => number * piece);
    const ends = [...times.filter((time) => time > from && time < to).sort((a, b) => a - b), to];
    return ends.map((end, index) => ({ from: ends[index - 1] ?? from, to: end }));
  }
}

/** No request failed, and they were made all the time: at the least rate, and with no outage that was waited out. */
export function noneFailed(heard: Heard): Heard {
  assert.deepEqual([heard.failed, heard.why], [0, []]);
  const { begun, undisturbed, lasted, unexplained } = heard;
  // What lies between two lines of a client that is told to end is allowed for.
  const wanted = (0.9 * least * undisturbed) / 1000 - 2 * least;
  assert.ok(
    begun >= wanted,
    `${begun} requests begun in ${lasted} ms, ${undisturbed} ms of them undisturbed`,
  );
  assert.ok(unexplained < outage, `nothing was accepted for ${unexplained} ms beside the time of restarts`);
  return heard;
}

/** A line for whoever reads the test's output. */
export function inWords(rotations: number, during: Heard, idle: Heard): string {
  const { accepted, perSecond, p99, gap } = during;
  return (
    `${rotations} rotations: ${accepted} requests, ${perSecond}/s with every restart, 0 failed; ` +
    `p99 during ÷ idle ${p99} ms ÷ ${idle.p99} ms; longest without an answer ${gap} ms ÷ ${idle.gap} ms`
  );
}
