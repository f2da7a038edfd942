import type { Seconds } from "../../model/duration.ts";
import type { Consumer, Model } from "../../model/model.ts";

/** How long a consumer has to run what it was brought where nobody can see it: none where it is no service, as a CI job is. */
export function settlesOf({ services }: Pick<Model, "services">, consumer: Pick<Consumer, "id">): Seconds {
  return services.find(({ id }) => id === consumer.id)?.settles ?? 0;
}
