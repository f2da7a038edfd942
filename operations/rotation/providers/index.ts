import type { Adapter } from "./provider.ts";

/** Adapters by the name that the catalogue gives a provider; each is loaded when it is used. */
export const adapters = {
  rest: async (): Promise<Adapter> => (await import("./rest.ts")).rest(),
  openai: async (): Promise<Adapter> => (await import("./openai.ts")).openai,
  bybit: async (): Promise<Adapter> => (await import("./bybit.ts")).bybit,
  aws: async (): Promise<Adapter> => (await import("./aws.ts")).aws,
};
