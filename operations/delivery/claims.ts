import { keptId, keptServiceId } from "../../model/kept-names.ts";
import type { Consumer, Delivery, Model, Service } from "../../model/model.ts";

/** What the catalogue says of a place that services share: its manifest tells only what was brought there before. */
export interface Claims {
  /** A service that is delivered there; undefined for one that was retired or moved, or that the catalogue has not. */
  service(kept: string): Service | undefined;
  /** The secrets that such a service is to have there under a name; undefined where it is to have none. */
  secrets(kept: string, name: string): string[] | undefined;
  /** Whether the catalogue has, or had and retired, a secret. */
  knows(secret: string): boolean;
}

/**
 * @param isHere whether a delivery of a service leads to the place
 * @param namesOf what a consumer's values are called there
 */
export function claimsOf(
  { services, secrets }: Pick<Model, "services" | "secrets">,
  isHere: (service: Service, delivery: Delivery) => boolean,
  namesOf: (consumer: Consumer) => string[],
): Claims {
  const find = (kept: string) =>
    services.find(
      (service) =>
        keptServiceId(service) === kept &&
        service.retired === undefined &&
        service.deliver.some((delivery) => isHere(service, delivery)),
    );
  return {
    service: find,
    secrets(kept, name) {
      const service = find(kept);
      if (service === undefined) return undefined;
      const found = secrets.filter(({ consumers }) =>
        consumers.some(
          (consumer) =>
            consumer.kind === "service" && consumer.id === service.id && namesOf(consumer).includes(name),
        ),
      );
      return found.length === 0 ? undefined : found.map(keptId);
    },
    knows: (secret) => secrets.some((one) => keptId(one) === secret),
  };
}
