/** A local service could not be started, reached or stopped; the message says which, why, and what to do. */
export class ServiceError extends Error {
  override name = "ServiceError";
}

/** The local services are not running (or not all of them). */
export class ServicesDownError extends ServiceError {
  override name = "ServicesDownError";
}

/** The state folder is not one that keyplane made; or another command holds it, or the folder of the tools. */
export class HomeError extends ServiceError {
  override name = "HomeError";
}
