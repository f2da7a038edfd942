import path from "node:path";
import { checkEnvironment } from "./check/environment.ts";
import { checkOrganization } from "./check/organization.ts";
import { Checked } from "./load/check.ts";
import { differences, sections } from "./load/differences.ts";
import { readCatalogueFiles } from "./load/files.ts";
import { type Node, nodeAt, placeAt, positionOf } from "./load/node.ts";
import { CatalogueError, type Position, type Problem } from "./load/problem.ts";
import { quote } from "./load/quote.ts";
import { parseYaml } from "./load/yaml.ts";
import type { Catalogue } from "./schema/catalogue.ts";
import { Organization } from "./schema/organization.ts";
import { System } from "./schema/system.ts";

export { CatalogueError, type Position, type Problem } from "./load/problem.ts";
export type { Catalogue } from "./schema/catalogue.ts";
export type { EnvironmentBlock as EnvironmentOverrides } from "./schema/organization.ts";

/**
 * Loads and checks the catalogue in a folder: organization.yaml and systems/*.yaml. Positions name files as
 * the caller named the folder.
 * @throws {CatalogueError} with every problem of every file
 */
export async function loadCatalogue(folder: string): Promise<Catalogue> {
  const problems: Problem[] = [];
  const shown = (file: string) => path.posix.join(folder.split(path.sep).join("/"), file);
  const files = await readCatalogueFiles(folder, shown, problems);
  return load(files, shown, problems);
}

/**
 * The same from texts, by their path in the catalogue's folder ("organization.yaml", "systems/titan.yaml"):
 * another Git revision is loaded as data, without being checked out.
 * @throws {CatalogueError} with every problem of every file
 */
export function loadCatalogueFrom(files: Record<string, string>, folder = "catalogue"): Catalogue {
  const problems: Problem[] = [];
  const shown = (file: string) => path.posix.join(folder, file);
  if (files["organization.yaml"] === undefined) {
    problems.push({
      file: shown("organization.yaml"),
      line: 1,
      column: 1,
      message: "is not there: write the organization's people and environments in it",
    });
  }
  return load(files, shown, problems);
}

function load(
  files: Record<string, string>,
  shown: (file: string) => string,
  problems: Problem[],
): Catalogue {
  const roots = new Map<string, Node>();
  for (const name of Object.keys(files).sort()) {
    if (name !== "organization.yaml" && !/^systems\/[^/]+\.yaml$/.test(name)) continue;
    const root = parseYaml(shown(name), files[name] ?? "", problems);
    if (root !== undefined) roots.set(name, root);
  }
  const organizationRoot = roots.get("organization.yaml");
  roots.delete("organization.yaml");
  const organization = organizationRoot && new Checked(organizationRoot, Organization, problems);
  const environments = organization?.names("environments")?.sort() ?? [];
  const known = nameSystems(Object.keys(files), roots, shown, problems);
  if (organization !== undefined) checkOrganization(organization, known);

  // What differs nowhere is checked once and shared by the environments.
  const variants = [...roots.values()].map((root) => differences(root, environments, problems));
  const shared = variants.map(({ base, differs }) =>
    differs ? undefined : new Checked(base, System, problems),
  );
  const systems = new Map<string, System[]>();
  for (const environment of environments) {
    const checked = variants.map(
      ({ in: of }, index) => shared[index] ?? new Checked(of(environment), System, problems),
    );
    checkEnvironment(environment, organization, checked);
    systems.set(
      environment,
      checked.flatMap(({ data }) => data ?? []).sort((a, b) => (a.system < b.system ? -1 : 1)),
    );
  }
  if (environments.length === 0) {
    for (const [index, { base }] of variants.entries()) shared[index] ?? new Checked(base, System, problems);
  }
  const data = organization?.data;
  if (problems.length > 0 || data === undefined) throw new CatalogueError(problems);
  return {
    organization: data,
    systems,
    positions: positionsOf(organizationRoot as Node, [...roots.values()]),
  };
}

/**
 * Names of the systems; two files for one are a problem. One whose name cannot be read goes by its file's, so
 * that what refers to it is not wrong as well.
 */
function nameSystems(
  files: string[],
  roots: ReadonlyMap<string, Node>,
  shown: (file: string) => string,
  problems: Problem[],
): string[] {
  const first = new Map<string, string>();
  for (const file of files.filter((name) => name.startsWith("systems/")).sort()) {
    const root = roots.get(file);
    const node = root && nodeAt(root, ["system"]);
    if (node?.kind !== "scalar" || typeof node.value !== "string") {
      first.set(path.posix.basename(file, ".yaml"), file);
      continue;
    }
    const before = first.get(node.value);
    if (before === undefined) first.set(node.value, file);
    else {
      const message = `system is ${quote(node.value)}, which ${shown(before)} already declares: keep one file per system`;
      problems.push({ ...positionOf(node.source, node.offset), message });
    }
  }
  return [...first.keys()];
}

function positionsOf(organization: Node, systems: Node[]): Map<string, Position> {
  const positions = new Map<string, Position>();
  for (const section of ["people", "groups", "providers", "environments", "exceptions"]) {
    const node = nodeAt(organization, [section]);
    if (node?.kind !== "map") continue;
    for (const name of node.entries.keys())
      positions.set(`${section}/${name}`, placeAt(organization, [section, name], true));
  }
  for (const root of systems) {
    const node = nodeAt(root, ["system"]);
    const system = node?.kind === "scalar" ? String(node.value) : "";
    positions.set(`system/${system}`, placeAt(root, ["system"]));
    for (const section of [...sections, "exceptions"]) {
      const entries = nodeAt(root, [section]);
      if (entries?.kind !== "map") continue;
      for (const name of entries.entries.keys()) {
        positions.set(`${section}/${system}/${name}`, placeAt(root, [section, name], true));
      }
    }
  }
  return positions;
}
