import { dirname } from "node:path";
import { type Catalogue, loadCatalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import type { Model } from "../model/model.ts";
import { ProblemsError } from "./problem.ts";
import { type Checked, checkBootstrapFiles } from "./sops/files.ts";

export interface Validated {
  environments: string[];
  systems: number;
  services: number;
  secrets: number;
  /** The bootstrap files, and how far each could be looked into. */
  bootstrap: Checked[];
}

/**
 * Checks everything that lies in files: the catalogue, every environment's model, and the Git bootstrap beside
 * it. Changes nothing and reaches nothing.
 * @param sops gives the executable, where an age key is at hand to look into the bootstrap files with
 * @throws CatalogueError, ProblemsError, each with every problem and its place
 */
export async function validate(folder: string, sops?: () => Promise<string>): Promise<Validated> {
  const catalogue = await loadCatalogue(folder);
  const models = modelsOf(catalogue);
  const bootstrap = await checkBootstrapFiles(dirname(folder), models, sops);
  if (bootstrap.problems.length > 0) throw new ProblemsError(bootstrap.problems);
  const ids = (of: (model: Model) => { id: string }[]) =>
    new Set(models.flatMap(of).map(({ id }) => id)).size;
  return {
    environments: models.map(({ environment }) => environment),
    systems: new Set(models.flatMap(({ systems }) => systems.map(({ name }) => name))).size,
    services: ids(({ services }) => services),
    secrets: ids(({ secrets }) => secrets),
    bootstrap: bootstrap.files,
  };
}

/** The model of every environment, by name. */
export function modelsOf(catalogue: Catalogue): Model[] {
  return [...catalogue.systems.keys()].sort().map((environment) => derive(catalogue, environment));
}
