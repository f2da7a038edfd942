/** Writes the page of what each role may in AWS: `node test/model/aws/write-rights.ts`. */
import { writeFile } from "node:fs/promises";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";
import { realState } from "../../policies/real.ts";
import { reach } from "./reach.ts";
import { page, reachSection, rightsPage } from "./rights.ts";
import { thingsOf } from "./things.ts";

const { aws } = derive(await loadCatalogue("catalogue"), "production");
if (aws === undefined) throw new Error("production has no AWS account");
const reached = await reach(aws, thingsOf(aws, await realState("production")));
await writeFile(page, `${rightsPage(aws)}\n${reachSection(reached)}`);
