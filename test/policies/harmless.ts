/**
 * Mutations of the shipped program that no rule reports, each with the reason why it harms nobody. `what` is a mutation
 * as mutation.ts names it: `type.property kind`. A new kind of resource brings its own lines; a line that nothing needs
 * any more fails the test.
 */
export const harmless: [what: RegExp, reason: string][] = [
  [/^keyplane:.* removed$/, "a component declares nothing by itself; its parts are mutated as well"],
  [/\.description (dropped|emptied|widened|wildcard)$/, "a description is for readers"],
  [
    /AuthBackend\.accessor (dropped|emptied|widened|wildcard)$/,
    "Vault makes accessors; of machines' nobody needs one",
  ],
  [/:Entity\.metadata/, "the address is for readers; who someone is stands in the alias"],
  [
    /:Entity removed$/,
    "the alias goes with its person in the program, and a person without one cannot log in",
  ],
  [
    /:Group removed$|:Group\.memberEntityIds emptied$|:Group\.memberEntityIds\[\] dropped$/,
    "a right less; who is in no group is reported",
  ],
  [/\.allowedRedirectUris\[\] dropped$/, "a place less that a login may return to"],
  [/^aws:.*\.Sid (dropped|emptied|widened|wildcard)$/, "a label inside a document"],
  [/:MetricAlarm\.alarmDescription/, "for readers"],
  [/:AccountPasswordPolicy\.(minimumPasswordLength|passwordReusePrevention) widened$/, "stricter"],
  [/:RolePolicy removed$/, "a right less"],
  [/^aws:(kms\/key:Key|cloudtrail\/trail:Trail) removed$/, "protected: the engine refuses it"],
  [/:MfaTotp\.issuer/, "a label in people's apps"],
  [/:MfaTotp\.skew zero$/, "stricter"],
  [
    /AuthBackendRole\.resolveAwsUniqueIds (dropped|widened)$/,
    "of the local stack alone, whose emulator has no ids",
  ],
  [/:QuotaRateLimit\.interval widened$/, "a lower rate: stricter"],
  [/:SecretBackendV2\.deleteVersionAfter dropped$/, "Vault's default is 0 as well"],
  [/jwt.*\.tokenNoDefaultPolicy/, "of service tokens: the default policy is judged by itself"],
  [/:SecretBackendRole\.tokenPeriod added$/, "not an argument of a database role"],
  [/Role removed$|:Policy removed$|:AuthBackendConfig removed$/, "a login or a right less"],
  [
    /:(Mount|AuthBackend|SecretBackendKey|SecretBackendConnection) removed$/,
    "protected: the engine refuses it",
  ],
  [
    /:Policy\.(every source|every system's values|policy writing) added$/,
    "keyplane.rotate and keyplane.deploy have that right",
  ],
];
