/** Writes the page of what each role may in AWS: `node test/model/aws/write-rights.ts`. */
import { writeFile } from "node:fs/promises";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { page, rightsPage } from "./rights.ts";

const { aws } = derive(await loadCatalogue("catalogue"), "production");
if (aws === undefined) throw new Error("production has no AWS account");
await writeFile(page, rightsPage(aws));
