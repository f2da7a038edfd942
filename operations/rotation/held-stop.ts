const everybody = "every consumer has the value that is accepted: before that they are locked out";

/**
 * A person's stop, which waits while it would leave consumers locked out (where a target accepts one value at a time, from the
 * change until all of them have it) or lose what nobody could get again. Whoever presses Ctrl-C again ends the process, as ever.
 */
export class HeldStop {
  readonly #asked: AbortSignal;
  readonly #controller = new AbortController();
  readonly #said: (until: string) => void;
  /** What a stop waits for; undefined where it waits for nothing. */
  #until: string | undefined;

  /** @param said tells that a stop waits, and for what */
  constructor(asked: AbortSignal, said: (until: string) => void) {
    this.#asked = asked;
    this.#said = said;
    if (asked.aborted) this.#stop();
    else asked.addEventListener("abort", this.#stop, { once: true });
  }

  /** Aborted once it is asked for and nothing holds it up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  hold(until = everybody): void {
    this.#until = until;
  }

  letGo(): void {
    this.#until = undefined;
    if (this.#asked.aborted) this.#stop();
  }

  /** Holds a stop up while something is done; one that was held up before that stays so. */
  async during<T>(until: string, does: () => Promise<T>): Promise<T> {
    const before = this.#until;
    this.hold(until);
    try {
      return await does();
    } finally {
      if (before === undefined) this.letGo();
      else this.hold(before);
    }
  }

  /** The run is over: nothing has to listen any more. */
  end(): void {
    this.#asked.removeEventListener("abort", this.#stop);
  }

  readonly #stop = (): void => {
    if (this.#until === undefined) this.#controller.abort(this.#asked.reason);
    else this.#said(this.#until);
  };
}
