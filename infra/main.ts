// What the Pulumi CLI runs for staging and production; `keyplane up` calls `platform` itself.
import { loadCatalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import { peopleElsewhere } from "./aws/account.ts";
import { platform } from "./index.ts";
import { requireBundles } from "./lambda-code.ts";
import { partOf } from "./part.ts";
import { settings } from "./settings.ts";

const { catalogue, environment, part, bootstrapPasswords, lambdaCode } = settings();
const model = derive(await loadCatalogue(catalogue), environment);
if (model.aws !== undefined && partOf(model, part).platform) requireBundles(lambdaCode, model, catalogue);
platform(model, { part, bootstrapPasswords, lambdaCode });

/** Shown by every preview and `pulumi stack output`: infra/README.md says who makes that group, and where. */
export const peopleOfAnotherAccount = partOf(model, part).platform ? peopleElsewhere(model.aws) : undefined;
