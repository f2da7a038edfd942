// What the Pulumi CLI runs for staging and production; `keyplane up` calls `platform` itself.
import { loadCatalogue } from "../model/catalogue.ts";
import { derive } from "../model/derive.ts";
import { platform } from "./index.ts";
import { settings } from "./settings.ts";

const { catalogue, environment, part, bootstrapPasswords, lambdaCode } = settings();
platform(derive(await loadCatalogue(catalogue), environment), { part, bootstrapPasswords, lambdaCode });
