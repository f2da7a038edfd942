import type { Checked } from "../load/check.ts";
import type { Organization } from "../schema/organization.ts";
import type { System } from "../schema/system.ts";
import { checkCi } from "./ci.ts";
import { checkDatabases } from "./databases.ts";
import { checkEncryptionKeys } from "./encryption-keys.ts";
import { checkExceptions } from "./exceptions.ts";
import { checkFunctions } from "./functions.ts";
import { checkNames, checkSystemNames } from "./names.ts";
import { checkPlaces } from "./places.ts";
import { checkSecrets } from "./secrets.ts";
import { checkServers } from "./servers.ts";
import { checkServices } from "./services.ts";
import { checkSettings } from "./settings.ts";
import type { Subject } from "./subject.ts";
import { checkVariables } from "./variables.ts";

/** Checks the systems as they are in one environment, with its differences merged in. */
export function checkEnvironment(
  environment: string,
  organization: Checked<Organization> | undefined,
  files: Checked<System>[],
): void {
  const declared = organization && {
    people: organization.names("people"),
    providers: organization.names("providers"),
    environments: organization.names("environments"),
  };
  const subjects = files.flatMap((file): Subject[] =>
    file.data === undefined
      ? []
      : [{ file, system: file.data, environment, organization: organization?.data, declared }],
  );
  for (const subject of subjects) {
    const { file, system } = subject;
    checkOwner(subject);
    checkPart(subject);
    checkNames(subject);
    checkServices(subject);
    checkSecrets(subject);
    checkDatabases(subject);
    checkEncryptionKeys(subject);
    checkCi(subject);
    checkSettings(subject);
    checkVariables(subject);
    checkPlaces(subject);
    checkExceptions(file, system.exceptions, declared?.people);
  }
  checkSystemNames(subjects);
  checkServers(subjects);
  if (organization !== undefined) {
    checkReach(environment, organization, subjects);
    checkFunctions(environment, organization, subjects);
  }
}

function checkOwner({ file, system, declared }: Subject): void {
  file.checkReference(["owner"], system.owner, "a person", declared?.people);
}

/** Names that `up` gives to parts of its own. */
const reservedParts = ["all", "platform"];

function checkPart({ file, system }: Subject): void {
  if (system.part === undefined || !reservedParts.includes(system.part)) return;
  file.reportValue(["part"], "take another name, this one is the platform's own");
}

/** Where services log in from, in an environment that is not the local one. */
function checkReach(environment: string, organization: Checked<Organization>, subjects: Subject[]): void {
  const block = organization.data?.environments[environment];
  if (block?.vault?.address === undefined) return;
  const services = subjects.flatMap(({ system }) => Object.values(system.services ?? {}));
  const place = ["environments", environment, "vault"];
  const onHosts = services.some(
    (s) => (s["runs-on"] === "compose" || s["runs-on"] === "supervisor") && s.cidrs === undefined,
  );
  if (onHosts && block.vault.cidrs === undefined) {
    organization.report(
      [...place, "cidrs"],
      "is missing: write the ranges that hosts log in from, such as [10.20.0.0/16]",
    );
  }
  if (services.some((s) => s["runs-on"] === "kubernetes") && block.vault.kubernetes === undefined) {
    organization.report([...place, "kubernetes"], "is missing, but services run there: write { host: … }");
  }
}
