// Updates the local stack with another policy pack and fewer quotas: `node update.ts HOME PACK`, in a process of its
// own as `keyplane up` is. Prints the error's name and message as JSON, and ends with 0 only where nothing stopped it.
import { resolve } from "node:path";
import { Vault } from "../../../clients/vault.ts";
import { platform } from "../../../infra/index.ts";
import { Engine, update } from "../../../local/engine.ts";
import { loginAs } from "../../../local/identity.ts";
import { bundles } from "../../../local/lambdas.ts";
import { startAwsProvider, startVaultProvider } from "../../../local/providers/index.ts";
import { connectServices, environmentOf } from "../../../local/services/index.ts";
import { findTool } from "../../../local/toolchain/index.ts";
import { loadCatalogue } from "../../../model/catalogue.ts";
import { derive } from "../../../model/derive.ts";

const [home = "", pack = ""] = process.argv.slice(2);
const services = await connectServices(home);
const model = derive(await loadCatalogue("catalogue"), "local", environmentOf(services));
const { address, ca } = services.vault;
const deployer = await loginAs(services, model, new Vault({ address, ca }), "deploy");
const vault = await startVaultProvider({ address, ca, token: () => deployer.vault.token ?? "" });
const aws = await startAwsProvider(services.aws);
const lambdaCode = await bundles(home, model);
const engine = await Engine.open({
  home,
  pulumi: await findTool("pulumi", () => {}),
  environment: { PULUMI_DEBUG_PROVIDERS: `vault:${vault.port},aws:${aws.port}` },
  policies: { pack, catalogue: resolve("catalogue") },
});
const fewer = { ...model, quotas: model.quotas.slice(1) };
const opened = await engine.stack("local", async () =>
  platform(fewer, { part: "all", bootstrapPasswords: {}, lambdaCode }),
);
const stopped = await update(opened, () => {}).then(
  () => undefined,
  ({ name, message }: Error) => ({ name, message }),
);
console.log(JSON.stringify(stopped ?? {}));
await deployer.end();
process.exit(stopped === undefined ? 0 : 1);
