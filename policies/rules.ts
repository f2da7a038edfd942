import * as known from "./arguments.ts";
import * as account from "./aws/account.ts";
import * as accounts from "./aws/accounts.ts";
import * as alarms from "./aws/alarms.ts";
import * as buckets from "./aws/buckets.ts";
import * as declared from "./aws/declared.ts";
import * as delivery from "./aws/delivery.ts";
import * as documents from "./aws/documents.ts";
import * as awsKeys from "./aws/keys.ts";
import * as lambdas from "./aws/lambdas.ts";
import * as logging from "./aws/logging.ts";
import * as messages from "./aws/messages.ts";
import * as awsNames from "./aws/names.ts";
import * as references from "./aws/references.ts";
import * as rights from "./aws/rights.ts";
import * as rightsOfDuty from "./aws/rights-of-duty.ts";
import * as schedules from "./aws/schedules.ts";
import * as secrets from "./aws/secrets.ts";
import * as settings from "./aws/settings.ts";
import * as trust from "./aws/trust.ts";
import * as workloads from "./kubernetes/workloads.ts";
import * as options from "./options.ts";
import * as providers from "./providers.ts";
import type { Rule } from "./rule.ts";
import { bootstrapEnds, dataProtected, noLiveValue, typeJudged } from "./state.ts";
import * as acl from "./vault/acl.ts";
import * as audit from "./vault/audit.ts";
import * as functions from "./vault/aws.ts";
import * as databases from "./vault/databases.ts";
import * as encryption from "./vault/encryption.ts";
import * as endpoint from "./vault/endpoint.ts";
import * as jwt from "./vault/jwt.ts";
import * as machines from "./vault/machines.ts";
import * as people from "./vault/people.ts";
import * as places from "./vault/places.ts";
import * as platform from "./vault/platform.ts";
import * as quotas from "./vault/quotas.ts";
import * as tokens from "./vault/tokens.ts";
import * as whole from "./vault/whole.ts";

const subjects: object[] = [
  audit,
  acl,
  jwt,
  platform,
  tokens,
  machines,
  databases,
  encryption,
  people,
  places,
  quotas,
  endpoint,
  functions,
  whole,
  documents,
  accounts,
  trust,
  rights,
  rightsOfDuty,
  account,
  awsKeys,
  secrets,
  logging,
  buckets,
  alarms,
  messages,
  delivery,
  lambdas,
  settings,
  schedules,
  awsNames,
  references,
  declared,
  workloads,
  options,
  providers,
  known,
];

const isRule = (value: unknown): value is Rule =>
  typeof value === "object" && value !== null && "sentence" in value;

const ofSubjects = subjects.flatMap((subject) => Object.values(subject).filter(isRule));

/** Every rule, subject by subject, in the order of their names within one. */
export const rules: readonly Rule[] = [
  ...ofSubjects,
  noLiveValue,
  bootstrapEnds,
  dataProtected,
  typeJudged(ofSubjects),
];
