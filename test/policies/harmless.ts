/**
 * Mutations of the shipped program that no rule reports, each with the reason why it harms nobody. `what` is a mutation
 * as mutation.ts names it: `type.property kind`; `at` the places that the reason is for, as `environment name/Sid`, where
 * it is not for every one. A new kind of resource brings its own lines; a line that nothing needs
 * any more fails the test. A comment names the page or the source of what AWS or Vault does; `registry` is
 * https://www.pulumi.com/registry/packages/aws/api-docs, whose sentences stand in @pulumi/aws as well.
 */
export const harmless: [what: RegExp, reason: string, at?: RegExp][] = [
  [/^keyplane:.* removed$/, "a component declares nothing by itself; its parts are mutated as well"],
  [
    /^keyplane:.* twice$/,
    "a component declares nothing by itself; copies of its parts are looked at as well",
  ],
  // https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html and its like: ResourceConflictException
  [
    /^aws:.*:(Analyzer|Bucket|Function|Group|LogGroup|OpenIdConnectProvider|Permission|Role|Schedule|ScheduleGroup|Secret) twice$/,
    "AWS refuses a second one of its name",
  ],
  // https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
  [/:(Topic|Queue) twice$/, "AWS answers with the first one of its name"],
  // hashicorp/vault 1.21 vault/mount.go: "path is already in use at"
  [/:(Mount|AuthBackend) twice$/, "Vault refuses a second one at its path"],
  [/:MfaTotp twice$/, "a method that no enforcement names: nobody is asked by it"],
  [/:Endpoint twice$/, "the password is replaced twice, and nobody knows either"],
  [
    /:appRole\/authBackendRole:AuthBackendRole copied for another$/,
    "the other's own role: a secret id of it, which who starts the other is handed, opens it alone",
  ],
  [/\.description (dropped|emptied|widened|wildcard)$/, "a description is for readers"],
  // No argument of sys/auth/:path: https://developer.hashicorp.com/vault/api-docs/system/auth
  [
    /AuthBackend\.accessor (dropped|emptied|widened|wildcard)$/,
    "Vault makes accessors; of machines' nobody needs one",
  ],
  [/:Entity\.metadata/, "the address is for readers; who someone is stands in the alias"],
  [
    /:Group removed$|:Group\.memberEntityIds emptied$|:Group\.memberEntityIds\[\] dropped$/,
    "a right less; who is in no group is reported",
  ],
  [/\.allowedRedirectUris\[\] dropped$/, "a place less that a login may return to"],
  // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
  [/^aws:.*\.Sid (dropped|emptied|widened|wildcard)$/, "a label inside a document"],
  [/:MetricAlarm\.alarmDescription/, "for readers"],
  [/:Permission\.statementId/, "a label, by which AWS tells one permission of a function from another"],
  // https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
  [
    /:AccountPasswordPolicy\.(minimumPasswordLength|passwordReusePrevention) widened$/,
    "stricter; AWS refuses more than 128 characters and 24 passwords",
  ],
  [/:RolePolicy removed$/, "a right less, which who needs it notices, with the denial that is about it"],
  [/:SecretPolicy removed$/, "a right less; it denies nothing"],
  [
    /(Policy|Key)\.(policy|assumeRolePolicy)\{\}\.Statement\[Allow\](\.(Action|Resource|Principal\.AWS)\[\])? dropped$/,
    "a right less, which who needs it notices: where nobody would, or none is left, it is reported",
  ],
  [/:Role\.assumeRolePolicy\{\}\.Statement\[Allow\]\.Action\[\] dropped$/, "a way less to take the role"],
  [
    /Statement\[Allow\]\.Condition\.StringEquals\.(aws:PrincipalArn|iam:PassedToService|kms:EncryptionContext:aws:lambda:FunctionArn)\[\] dropped$/,
    "somebody less for whom it holds; one that holds for nobody is refused",
  ],
  [/Statement\[Allow\]\.Condition\.ArnEquals\.ec2:Subnet\[\] dropped$/, "a subnet less for which it holds"],
  [
    /:RolePolicy\.policy\{\}\.Statement\[Allow\]\.Condition dropped$/,
    "creates a service-linked role: the resource names the one of the access analyzer already",
    /-deploy\/LetTheAnalyzerLook$/,
  ],
  [
    /:RolePolicy\.policy\{\}\.Statement\[Allow\]\.Action more$/,
    "the deploy role may do that already, by MakeIdentities, MakeFunctions or MakeSchedules",
    /-deploy\/(SeeIdentities|SeeFunctions|SeeSchedules|GiveRolesToFunctionsSchedulesAndTrail|CallWhatRotates)$/,
  ],
  [
    /:Key\.policy\{\}\.Statement\[Allow\]\.Action more$/,
    "who is named may do that already: the account everything, administrators and the deploy role by statements of their own",
    /\/(AccountAdministers|AdministratorsDeleteItSlowly|DeploymentMakesFunctions)$/,
  ],
  [
    /:Key\.policy\{\}.*kms:ScheduleKeyDeletionPendingWindowInDays another$/,
    "a number of more days than thirty",
  ],
  [
    /:RolePolicy\.policy\{\}.*secretsmanager:RecoveryWindowInDays another$/,
    "more days than Secrets Manager takes: nobody deletes",
    /-deploy\/DeleteSecretsSlowly$/,
  ],
  [
    /:AuthBackend\.oidcDiscoveryCaPem (dropped|emptied|widened|wildcard)$/,
    "whose certificate the issuer shows: with another one Vault does not reach it, and nobody gets in",
  ],
  [/Statement\[Deny\]\.NotAction\[\] dropped$/, "denies more: an action less is left open"],
  [/Statement\[Deny\]\.Action(\[\])? (widened|wildcard)$/, "denies more"],
  [/Statement\[Deny\]\.NotResource\[\] dropped$/, "denies more: less is one's own"],
  // registry/accessanalyzer/analyzer; https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
  [/:(Analyzer\.type|Role\.maxSessionDuration) dropped$/, "AWS' own default is the same: ACCOUNT, an hour"],
  // registry/cloudtrail/trail; https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_EventSelector.html
  [
    /:Trail\.(enableLogging|includeGlobalServiceEvents|eventSelectors\[\]\.(includeManagementEvents|readWriteType)) dropped$/,
    "AWS' own default is the same: on, all of it",
  ],
  // registry/kms/key; https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
  [
    /:(Key\.(deletionWindowInDays|isEnabled)|Secret\.recoveryWindowInDays) dropped$/,
    "AWS' own default is the same: 30 days, enabled",
  ],
  // API_UpdateAccountPasswordPolicy, as above; registry/s3/bucket
  [
    /:(AccountPasswordPolicy\.hardExpiry|Bucket\.(forceDestroy|objectLockEnabled)) dropped$/,
    "AWS' own default is the same: off; where files are to be locked it is reported",
  ],
  [
    /:LogGroup unprotected$/,
    "it says skipDestroy as well, by which nothing deletes it: without both it is reported",
    /\/trail$/,
  ],
  // registry/cloudwatch/loggroup
  [/:LogGroup\.retentionInDays zero$/, "CloudWatch keeps it for ever then"],
  // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
  [
    /metricTransformation\.defaultValue dropped$/,
    "no data, which alarms take for no event: `aws-alarm-rings` refuses one that does not",
  ],
  // registry/lambda/function
  [/:Function\.architectures/, "the bundle is JavaScript, which runs on both; AWS refuses every other word"],
  [/:Function\.code\.__pulumiArchive/, "a mark for this process alone; the one on the wire is judged"],
  [
    /:Function\.reservedConcurrentExecutions dropped$/,
    "nothing is reserved, as `concurrency: none` asks: runs of the same rotation exclude one another by its journal",
  ],
  [/:Function\.vpcConfig\.subnetIds\[\] dropped$/, "a zone less; without any it is reported"],
  // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
  [
    /\.bucketKeyEnabled (dropped|widened)$/,
    "off: S3 asks KMS for each object, with its ARN as context; the key is the same, and no policy names that context",
  ],
  // registry/scheduler/schedule
  [/:Schedule\.(scheduleExpressionTimezone|state) dropped$/, "AWS' own default is the same: UTC, ENABLED"],
  [
    /:Schedule\.target\.retryPolicy(\.\w+)? (dropped|emptied)$/,
    "EventBridge then tries longer: 185 times within a day, and each run does only what is due",
  ],
  // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html, of rules in days
  [
    /:SecretRotation\.rotationRules\.duration dropped$/,
    "AWS then takes the rest of the day on which it is due",
  ],
  [/:TopicSubscription removed$/, "another contact still hears; of the last one it is reported"],
  [/:MfaTotp\.issuer/, "a label in people's apps"],
  // hashicorp/vault 1.21 vault/login_mfa.go: 0 or 1 codes beside the current one
  [/:MfaTotp\.skew zero$/, "stricter"],
  [
    /AuthBackendRole\.resolveAwsUniqueIds (dropped|widened)$/,
    "of the local stack alone, whose emulator has no ids: Vault's default is true, and no login works",
  ],
  // https://developer.hashicorp.com/vault/api-docs/system/rate-limit-quotas
  [/:QuotaRateLimit\.path widened$/, "a glob over more than the login: stricter"],
  // vault-plugin-secrets-kv 0.25 path_config.go: a duration of zero is none
  [/:SecretBackendV2\.deleteVersionAfter dropped$/, "Vault's default is 0 as well"],
  [/jwt.*\.tokenNoDefaultPolicy/, "of service tokens: the default policy is judged by itself"],
  // vault-plugin-auth-kubernetes 0.23 path_login.go: no login without a configuration
  [/^vault:.*(Role|:AuthBackendConfig) removed$/, "a login less"],
  [/^vault:index\/policy:Policy removed$/, "a right less; of the policy `default` it is reported"],
  [
    /:SecretBackendKey removed$/,
    "protected: the engine refuses it; where a system's key is not yet, its users cannot work",
  ],
  [/:Policy\.(every source|policy writing) added$/, "keyplane.rotate and keyplane.deploy have that right"],
  // What the catalogue alone says, no rule can tell from another of the same form: whoever reviews its line does.
  [
    /:AuthBackendRole\.boundClaims\.(job_workflow_ref|repository_id|repository_owner_id) another$/,
    "the repository of a system with one job, which the catalogue alone knows; of two jobs and of the platform it is reported",
  ],
  [
    /:Role\.assumeRolePolicy\{\}.*aws:PrincipalArn\[\] another$/,
    "which users of AWS people are, the catalogue alone knows; without a second factor none of them gets in",
  ],
  [
    /:(Key|SecretPolicy)\.policy\{\}\.Statement\[Allow\]\.Principal\.AWS(\[\] another| more)$/,
    "a role that the catalogue names and somebody else makes; of our own it is reported",
    /\/(ReadersDecrypt|NamedReaders)$/,
  ],
  [
    /:RolePolicy\.policy\{\}\.Statement\[Allow\]\.(Resource(\[\])?|Condition\.ArnEquals\.ec2:Subnet\[\]) another$/,
    "of that name there is nothing: a right less",
  ],
  // https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html
  [
    /:(SecretPolicy\.secretArn|SecretRotation\.secretId) another$/,
    "the last characters of a secret's ARN are AWS' own: with others it is of no secret, and AWS refuses it",
  ],
];
