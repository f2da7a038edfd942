import type { Consumer, Delivery, Model, Service } from "../../model/model.ts";

/** The target and its own names. */
export function nameOf(delivery: Delivery): string {
  const { to, ...names } = delivery;
  const place =
    "path" in names ? names.path : "folder" in names ? names.folder : Object.values(names).join("/");
  return `${to} ${place}`;
}

/** Services that are delivered to the same place, this one among them; a relative path is one in the system's own project. */
export function neighbours(
  { services }: Pick<Model, "services">,
  service: Service,
  delivery: Delivery,
): Service[] {
  const place = nameOf(delivery);
  const isAbsolute = / \//.test(place);
  return services
    .filter(({ retired, system }) => retired === undefined && (isAbsolute || system === service.system))
    .filter(({ deliver }) => deliver.some((other) => nameOf(other) === place));
}

/**
 * Names that a service shares with a neighbour of another role: a listener gets a new value before a signer (R29), so one
 * file or variable cannot serve both. Whoever signs would have the new value as soon as the first listener has.
 * @param namesOf what a consumer's values are called in that place
 */
export function rivalNames(
  model: Pick<Model, "services" | "secrets">,
  service: Service,
  delivery: Delivery,
  namesOf: (consumer: Consumer) => string[],
): string[] {
  const others = new Set(neighbours(model, service, delivery).map(({ id }) => id));
  const names = model.secrets.flatMap(({ consumers }) => {
    const own = consumers.find(({ kind, id }) => kind === "service" && id === service.id);
    if (own === undefined) return [];
    const rivals = consumers.filter(
      ({ kind, id, role }) => kind === "service" && others.has(id) && role !== own.role,
    );
    const theirs = new Set(rivals.flatMap(namesOf));
    return namesOf(own).filter((name) => theirs.has(name));
  });
  return [...new Set(names)].sort();
}

/** Names of a consumer's files. */
export function filesOf({ files }: Consumer): string[] {
  return Object.values(files);
}

/** Names of a consumer's variables that hold a value themselves. */
export function variablesOf({ as, files }: Consumer): string[] {
  return Object.keys(as).filter((name) => files[name] === undefined);
}
