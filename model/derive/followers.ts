import { type Context, compare } from "./context.ts";

/** Seals evidence of rotations: only the rotation role makes a seal, and who may read evidence can check it. */
export const evidenceKey = "keyplane.evidence";

/** Names of the environments that come directly after a context's own, ordered. */
export function followersOf({ organization, environment }: Context): string[] {
  return Object.entries(organization.environments)
    .filter(([, block]) => block?.after === environment)
    .map(([name]) => name)
    .sort(compare);
}
