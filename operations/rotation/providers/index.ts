import type { Adapter } from "./provider.ts";

/** Adapters by the name that the catalogue gives a provider; each is loaded when it is used. */
export const adapters = {
  rest: async (): Promise<Adapter> => (await import("./rest.ts")).rest(),
  openai: async (): Promise<Adapter> => (await import("./openai.ts")).openai,
  bybit: async (): Promise<Adapter> => (await import("./bybit.ts")).bybit,
  aws: async (): Promise<Adapter> => (await import("./aws.ts")).aws,
};

/** How a provider's API is spoken to where the catalogue may not say so: access keys are those of AWS. */
export function spokenTo<Name extends string>({
  kind,
  adapter,
}: {
  kind: string;
  adapter?: Name | undefined;
}): Name | "rest" | "aws" {
  return kind === "s3" ? "aws" : (adapter ?? "rest");
}
