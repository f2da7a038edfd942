import type { Model } from "../../model/model.ts";

/** What the runner rotates by; stands beside its code. */
export interface Shipping {
  model: Model;
  /** Of the catalogue that the model is of; evidence is bound to it. */
  commit?: string;
}
