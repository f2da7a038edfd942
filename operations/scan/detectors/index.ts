import type { Detector } from "../detector.ts";
import { addressPassword } from "./address.ts";
import { assignment } from "./assignment.ts";
import { authorization } from "./authorization.ts";
import { azureKeys } from "./azure.ts";
import { clouds } from "./clouds.ts";
import { codeHosts } from "./code-hosts.ts";
import { discordToken } from "./discord-token.ts";
import { detectorOf } from "./format.ts";
import { innerTokens } from "./inner.ts";
import { jsonWebKey } from "./json-web-key.ts";
import { jsonWebToken } from "./json-web-token.ts";
import { loginFiles } from "./login-file.ts";
import { privateKey } from "./private-key.ts";
import { services } from "./services.ts";
import { vaultKeys } from "./vault-keys.ts";

/** Every detector. Where two find the same characters the earlier one names them. */
export const detectors: readonly Detector[] = [
  ...[...clouds, ...codeHosts, ...services].map(detectorOf),
  ...innerTokens,
  ...azureKeys,
  privateKey,
  jsonWebKey,
  jsonWebToken,
  discordToken,
  vaultKeys,
  addressPassword,
  ...authorization,
  ...loginFiles,
  assignment,
];
