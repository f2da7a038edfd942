import { PersonNeededError, type Rotator } from "../../operations/rotation/rotator.ts";

/**
 * Stands in the bundle for the rotator of NATS: its users are in a file on the server's own host, which no function
 * reaches, and its client is a third of what a function may weigh.
 */
const elsewhere = async (): Promise<never> => {
  throw new PersonNeededError(notHere);
};

export const notHere =
  "NATS users stand in a file on the server's host: `keyplane rotate --due --root /` rotates them there";

export const nats: Rotator = {
  create: elsewhere,
  stage: elsewhere,
  probe: elsewhere,
  idle: elsewhere,
  revoke: elsewhere,
  verify: elsewhere,
};
