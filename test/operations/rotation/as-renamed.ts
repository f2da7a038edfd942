import type { Secret } from "../../../model/model.ts";

/** As the catalogue has it after a rename: data and logins lie where they lay. */
export function renamed(secret: Secret): Secret {
  return { ...secret, id: `${secret.id}-renamed`, name: `${secret.name}-renamed` };
}
