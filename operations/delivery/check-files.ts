import { join } from "node:path";
import { keptServiceId, knownAs } from "../../model/kept-names.ts";
import type { Model, Service } from "../../model/model.ts";
import { Host } from "./host.ts";
import { isPrivate, lookAt } from "./owned-file.ts";
import { ownerOf } from "./owner.ts";
import { manifestOf, split } from "./place.ts";
import { DeliveryError } from "./sink.ts";

export interface FileProblem {
  service: string;
  path: string;
  problem: string;
}

/**
 * Looks at every file that services of this host are delivered: mode 600, the service's user, no link (R45). Changes
 * nothing; those that are not there yet are not reported.
 * @param root what stands for the host's root
 */
export async function checkFiles(
  { services }: Pick<Model, "services">,
  options: { root: string; project?: string },
): Promise<FileProblem[]> {
  const host = new Host({ ...options, runs: "", knownAs: knownAs({ services, secrets: [] }) });
  const problems: FileProblem[] = [];
  for (const service of services) {
    if (service.retired !== undefined) continue;
    for (const delivery of service.deliver) {
      const paths =
        delivery.to === "env-file"
          ? [host.path(delivery.path)]
          : "folder" in delivery
            ? [
                ...(await filesIn(host, delivery.folder, service)),
                ...(await filesIn(host, join(delivery.folder, service.name), service)),
              ]
            : [];
      for (const path of paths) {
        const problem = await problemOf(path, service.user);
        if (problem !== undefined) problems.push({ service: service.id, path, problem });
      }
    }
  }
  return problems;
}

async function filesIn(host: Host, path: string, service: Service): Promise<string[]> {
  const folder = host.path(path);
  const manifest = await manifestOf({ folder, manifest: ".keyplane.json" }, host);
  return Object.keys(manifest.services[keptServiceId(service)]?.entries ?? {}).map((name) =>
    join(folder, name),
  );
}

async function problemOf(path: string, user: number | string | undefined): Promise<string | undefined> {
  try {
    const found = await lookAt(path);
    if (found === undefined) return undefined;
    const owner = await ownerOf(user);
    if (isPrivate(found.stats, owner)) return undefined;
    const { mode, uid } = found.stats;
    const wrong = [
      ...((mode & 0o7777) === 0o600 ? [] : [`has mode ${(mode & 0o7777).toString(8)}, not 600`]),
      ...(uid === owner.uid ? [] : [`belongs to uid ${uid}, not ${owner.uid}`]),
    ];
    return `${wrong.join(" and ")}: deliver it again, or chmod 600 and chown it in ${split(path).folder}`;
  } catch (error) {
    if (error instanceof DeliveryError) return error.message;
    throw error;
  }
}
