// Pulumi loads a pack by `require` and would compile TypeScript itself; from here on Node strips the types.
import "./index.ts";
