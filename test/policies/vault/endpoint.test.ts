import { endpointRotatesOnly } from "../../../policies/vault/endpoint.ts";
import { vault } from "../../../policies/vault/types.ts";
import { ruleSuite, shipped } from "../examples.ts";

ruleSuite(endpointRotatesOnly, shipped(vault.endpoint), {
  "a value": [
    { path: "kv/data/source/titan/hmac", dataJson: '{"data":{"primary":"planted"}}' },
    ['it writes to "kv/data/source/titan/hmac"', "dataJson has more than when it is to be done"],
  ],
  "reads it back": [
    { disableRead: false },
    ["disableRead is not true: what is read there lands in the state"],
  ],
});
