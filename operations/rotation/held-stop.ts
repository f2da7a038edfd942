/**
 * A person's stop, which waits while it would leave consumers locked out: where a target accepts one value at a time, from
 * the change until all of them have it. Whoever presses Ctrl-C again ends the process, as ever.
 */
export class HeldStop {
  readonly #asked: AbortSignal;
  readonly #controller = new AbortController();
  readonly #said: () => void;
  #isHeld = false;

  /** @param said tells that a stop waits */
  constructor(asked: AbortSignal, said: () => void) {
    this.#asked = asked;
    this.#said = said;
    if (asked.aborted) this.#stop();
    else asked.addEventListener("abort", this.#stop, { once: true });
  }

  /** Aborted once it is asked for and nothing holds it up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  hold(): void {
    this.#isHeld = true;
  }

  letGo(): void {
    this.#isHeld = false;
    if (this.#asked.aborted) this.#stop();
  }

  /** The run is over: nothing has to listen any more. */
  end(): void {
    this.#asked.removeEventListener("abort", this.#stop);
  }

  readonly #stop = (): void => {
    if (this.#isHeld) this.#said();
    else this.#controller.abort(this.#asked.reason);
  };
}
