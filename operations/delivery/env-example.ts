import type { Model } from "../../model/model.ts";
import { serviceNamed } from "./bundle.ts";
import { envText } from "./env-text.ts";

/**
 * The example of a service's environment file, which Git may keep (R63): its settings as they are, and for each secret a
 * placeholder that says which one belongs there. It is made of the catalogue alone, so no value can be in it.
 * @throws DeliveryError for a service that the catalogue does not have
 */
export function envExample(model: Pick<Model, "services" | "secrets" | "settings">, service: string): string {
  const { id } = serviceNamed(model, service);
  const variables: Record<string, string> = {};
  for (const { name, value, services } of model.settings) if (services.includes(id)) variables[name] = value;
  for (const { id: secret, consumers } of model.secrets) {
    for (const consumer of consumers.filter((each) => each.kind === "service" && each.id === id)) {
      for (const [variable, field] of Object.entries(consumer.as)) {
        const what = `${field} of ${secret}`;
        variables[variable] = variable in consumer.files ? `<path of a file with the ${what}>` : `<${what}>`;
      }
    }
  }
  return envText(variables);
}
