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
  [/:Permission\.statementId/, "a label, by which AWS tells one permission of a function from another"],
  [/:AccountPasswordPolicy\.(minimumPasswordLength|passwordReusePrevention) widened$/, "stricter"],
  [/:(RolePolicy|SecretPolicy) removed$/, "a right less"],
  [
    /(Policy|Key)\.(policy|assumeRolePolicy)\{\}\.Statement\[Allow\](\.(Action|Resource|Principal\.AWS)\[\])? dropped$/,
    "a right less; a document that is left without one is refused",
  ],
  [/:Role\.assumeRolePolicy\{\}\.Statement\[Allow\]\.Action\[\] dropped$/, "a way less to take the role"],
  [
    /Condition\.StringEquals\.(aws:PrincipalArn|iam:PassedToService|kms:EncryptionContext:aws:lambda:FunctionArn)\[\] dropped$/,
    "somebody less for whom it holds; one that holds for nobody is refused",
  ],
  [/Condition\.ArnEquals\.ec2:Subnet\[\] dropped$/, "a subnet less for which it holds"],
  [/Statement\[Deny\]\.NotAction\[\] dropped$/, "denies more: an action less is left open"],
  [/Statement\[Deny\]\.Action (widened|wildcard)$/, "denies more"],
  [/:(Analyzer\.type|Role\.maxSessionDuration) dropped$/, "AWS' own default is the same: ACCOUNT, an hour"],
  [
    /:Trail\.(enableLogging|includeGlobalServiceEvents|eventSelectors\[\]\.(includeManagementEvents|readWriteType)) dropped$/,
    "AWS' own default is the same: on, all of it",
  ],
  [
    /:(Key\.(deletionWindowInDays|isEnabled)|Secret\.recoveryWindowInDays) dropped$/,
    "AWS' own default is the same: 30 days, enabled",
  ],
  [
    /:(AccountPasswordPolicy\.hardExpiry|Bucket\.(forceDestroy|objectLockEnabled)) dropped$/,
    "AWS' own default is the same: off; where files are to be locked it is reported",
  ],
  [/:LogGroup\.retentionInDays zero$/, "CloudWatch keeps it for ever then"],
  [/metricTransformation\.defaultValue dropped$/, "no data, which alarms take for no event"],
  [/:Function\.architectures/, "the bundle is JavaScript, which runs on both; AWS refuses every other word"],
  [/:Function\.code\.__pulumiArchive/, "a mark for this process alone; the one on the wire is judged"],
  [
    /KEYPLANE_DATABASE\{\}\.groups\[\] dropped$/,
    "a group that none of the users is in; another one is reported",
  ],
  [/:Function\.vpcConfig\.subnetIds\[\] dropped$/, "a zone less; without any it is reported"],
  [/\.bucketKeyEnabled (dropped|widened)$/, "only how often S3 asks KMS: the key is the same"],
  [
    /:Schedule\.(groupName|scheduleExpressionTimezone|state) dropped$/,
    "AWS' own default is the same: default, UTC, ENABLED",
  ],
  [
    /:Schedule\.target\.retryPolicy(\.\w+)? (dropped|emptied)$/,
    "EventBridge then tries longer: 185 times within a day, and each run does only what is due",
  ],
  [
    /:SecretRotation\.rotationRules\.duration dropped$/,
    "AWS then takes the rest of the day on which it is due",
  ],
  [/:TopicSubscription removed$/, "another contact still hears; of the last one it is reported"],
  [/^aws:(kms\/key:Key|cloudtrail\/trail:Trail) removed$/, "protected: the engine refuses it"],
  [/:MfaTotp\.issuer/, "a label in people's apps"],
  [/:MfaTotp\.skew zero$/, "stricter"],
  [
    /AuthBackendRole\.resolveAwsUniqueIds (dropped|widened)$/,
    "of the local stack alone, whose emulator has no ids",
  ],
  [/:QuotaRateLimit\.path widened$/, "a glob over more than the login: stricter"],
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
