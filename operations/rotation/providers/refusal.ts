import { PersonNeededError } from "../rotator.ts";

/** A provider refuses what it was asked, in words that hold no value. */
export class ProviderError extends PersonNeededError {
  override name = "ProviderError";
}

/** The provider lets no further key live beside those there are. */
export class QuotaError extends ProviderError {
  override name = "QuotaError";
}
