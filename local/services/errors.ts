/** A local service could not be started, reached or stopped; the message says which, why, and what to do. */
export class ServiceError extends Error {
  override name = "ServiceError";
}

/** Another process took a server's port between its choice and its use. */
export class PortTakenError extends ServiceError {
  override name = "PortTakenError";
}

/** The local services are not running (or not all of them). */
export class ServicesDownError extends ServiceError {
  override name = "ServicesDownError";
}

/** Another command works on the state folder, or puts the same tool into the cache. Says which one, and since when. */
export class HeldError extends ServiceError {
  override name = "HeldError";
}

/** The state folder is not one that keyplane made, cannot be used, or was deleted meanwhile. */
export class HomeError extends ServiceError {
  override name = "HomeError";
}
