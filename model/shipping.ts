import type { Model, RotationModel } from "./model.ts";

/** What the runner rotates by; stands beside its code. */
export interface Shipping {
  model: RotationModel;
  /** Of the catalogue that the model is of; evidence is bound to it. */
  commit?: string;
}

/** What of a model is shipped: a change of people, of rights or of the AWS account makes no new code. */
export function shipped({
  organization,
  environment,
  promotion,
  vault,
  services,
  secrets,
  databases,
  encryptionKeys,
  appRoles,
  kubernetesRoles,
  settings,
  rotation,
}: Model): RotationModel {
  return {
    ...{ organization, environment, ...(promotion !== undefined && { promotion }), vault, services, secrets },
    ...{ databases, encryptionKeys, appRoles, kubernetesRoles, settings, rotation },
  };
}
