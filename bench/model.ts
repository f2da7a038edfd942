import { loadCatalogueFrom } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import { milliseconds, type Row, type Scale, sideBySide } from "./measure.ts";
import { generateOrganization } from "./organization.ts";

const [few, many] = [1_000, 10_000];

/** The model of a generated organization at two sizes; and reading and checking its files. */
export async function modelOfManySecrets({ full }: Scale): Promise<Row[]> {
  const files = { few: generateOrganization(few), many: generateOrganization(many) };
  const catalogues = { few: loadCatalogueFrom(files.few), many: loadCatalogueFrom(files.many) };
  // A tenth of the secrets is derived ten times, so that both sides run for as long.
  const model = await sideBySide(full ? 31 : 15, {
    few: async () => {
      for (let time = 0; time < many / few; time++) derive(catalogues.few, "local");
    },
    many: async () => derive(catalogues.many, "local"),
  });
  const load = await sideBySide(full ? 5 : 1, {
    few: async () => {
      for (let time = 0; time < many / few; time++) loadCatalogueFrom(files.few);
    },
    many: async () => loadCatalogueFrom(files.many),
  });
  const compared = (what: string, { few: less, many: more }: { few: number; many: number }): Row => ({
    what: `${what}: per secret at 10,000 ÷ at 1,000`,
    measured: `${milliseconds(more)} ÷ (10 × ${milliseconds(less / (many / few))})`,
    ratio: more / less,
  });
  return [
    { ...compared("The model", model), goal: "≤ 1.1" },
    { what: "The model of 10,000 secrets", measured: milliseconds(model.many), goal: "< 1 s" },
    compared("Reading and checking the catalogue", load),
  ];
}
