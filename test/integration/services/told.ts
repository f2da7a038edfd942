/** What a client did since it last told. */
export interface Told {
  /** Requests that were begun, whenever they have their answer. */
  begun: number;
  accepted: number;
  failed: number;
  /** Connections that it opened, where it counts them. */
  connections: number;
  /** How long each request took. */
  milliseconds: number[];
  /** Pieces of time in which a request was accepted: milliseconds since 1970, divided by `piece`. */
  acceptedIn: number[];
  why: string[];
}

/** Milliseconds. */
export const piece = 50;
