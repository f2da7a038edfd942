import { loadCatalogueFrom } from "../../model/catalogue.ts";
import { realFiles } from "../model/real.ts";

/** The shipped catalogue with one place of one of its files changed. */
export function changedCatalogue(file: string, from: string | RegExp, to: string) {
  const files = realFiles();
  const before = files[file] ?? "";
  const after = before.replace(from, to);
  if (after === before) throw new Error(`${file} has no ${from}`);
  return loadCatalogueFrom({ ...files, [file]: after });
}

/** Opens every host's login of staging to a wide public network, which `approle-network-bound` refuses. */
export const wide = { file: "organization.yaml", from: "cidrs: [10.20.0.0/16]", to: "cidrs: [8.0.0.0/15]" };
