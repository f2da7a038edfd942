import { fileName } from "../derive/secrets.ts";
import { servicesOf, settingOf } from "../derive/systems.ts";
import { show } from "../load/check.ts";
import type { Path } from "../load/node.ts";
import type { DeliveryEntry } from "../schema/delivery.ts";
import type { Subject } from "./subject.ts";
import { consumersOf } from "./variables.ts";

/** A variable or file in a place that services may share, and what a service is to have there. */
interface Claim {
  where: string;
  name: string;
  service: string;
  /** The secret's or the setting's place in the catalogue. */
  of: string;
  field: string;
  role: string;
  path: Path;
}

/**
 * Services of a system may share an env-file or a folder: one name in it is one value for all of them. Who accepts a secret and
 * who signs with it are kept apart by delivery, each with a folder of its own.
 */
export function checkPlaces(subject: Subject): void {
  const claims = [...secretsIn(subject), ...settingsIn(subject)];
  const byName = [...Map.groupBy(claims, ({ where, name }) => `${where}\n${name}`).values()];
  const apart = new Set(byName.flatMap((same) => same.filter((one) => isApart(same, one)).map(folderOf)));
  for (const same of byName) {
    const shared = same.filter((one) => !apart.has(folderOf(one)));
    for (const [index, { service, of, field, name, where, path }] of shared.entries()) {
      const other = shared
        .slice(0, index)
        .find((one) => one.service !== service && (one.of !== of || one.field !== field));
      if (other === undefined) continue;
      subject.file.report(
        path,
        `brings ${service} another ${name} in ${where} than ${other.of} brings ${other.service}: take another name for one ` +
          "of them, or deliver them to places of their own",
        "key",
      );
    }
  }
}

/** Whether another service has the same name for the same secret in another role. */
function isApart(same: Claim[], { service, of, role }: Claim): boolean {
  return same.some((one) => one.service !== service && one.of === of && one.role !== role);
}

function folderOf({ where, service }: Claim): string {
  return `${where}\n${service}`;
}

function* secretsIn(subject: Subject): Generator<Claim> {
  const { services } = subject.system;
  for (const [service, { as, files, role = "reader" }, place] of consumersOf(subject)) {
    // Consumers of one secret stand below it.
    const of = show(place.at(-2) === "consumers" ? place.slice(0, -2) : place);
    for (const delivery of deliveriesTo(services?.[service])) {
      for (const [variable, field] of Object.entries(as ?? {})) {
        const own = { service, of, field, role, path: [...place, "as", variable] };
        if (delivery.to === "env-file") yield { ...own, where: delivery.path, name: variable };
        else if (isFolder(delivery) && variable.endsWith("_FILE")) {
          yield { ...own, where: delivery.folder, name: files?.[variable] ?? fileName(variable) };
        }
      }
    }
  }
}

function* settingsIn({ system }: Subject): Generator<Claim> {
  for (const [name, entry] of Object.entries(system.settings ?? {})) {
    const of = `settings.${name}`;
    for (const service of servicesOf(system, settingOf(entry).services)) {
      for (const delivery of deliveriesTo(system.services?.[service])) {
        if (delivery.to !== "env-file") continue;
        yield {
          where: delivery.path,
          name,
          service,
          of,
          field: name,
          role: "reader",
          path: ["settings", name],
        };
      }
    }
  }
}

type Services = NonNullable<Subject["system"]["services"]>;

function deliveriesTo(service: Services[string] | undefined): DeliveryEntry[] {
  return service?.retired === undefined ? (service?.deliver ?? []) : [];
}

/** Folders of one host; Vault Agent's are each machine's own, which may be several. */
function isFolder(delivery: DeliveryEntry): delivery is Extract<DeliveryEntry, { folder: string }> {
  return delivery.to === "files" || delivery.to === "compose-secrets";
}
