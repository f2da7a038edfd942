/** What senders told of the messages that they sent. */
export class Load {
  accepted = 0;
  failed = 0;
  milliseconds: number[] = [];

  readonly hear = (line: string): void => {
    const told = JSON.parse(line) as Pick<Load, "accepted" | "failed" | "milliseconds">;
    this.accepted += told.accepted;
    this.failed += told.failed;
    this.milliseconds.push(...told.milliseconds);
  };

  /** What was heard so far, and from now on anew. */
  take(): { accepted: number; failed: number; p99: number } {
    const sorted = this.milliseconds.toSorted((a, b) => a - b);
    const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
    const taken = { accepted: this.accepted, failed: this.failed, p99 };
    this.accepted = this.failed = 0;
    this.milliseconds = [];
    return taken;
  }
}
