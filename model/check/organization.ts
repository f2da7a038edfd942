import type { Checked } from "../load/check.ts";
import { quote } from "../load/quote.ts";
import type { EnvironmentBlock, Organization } from "../schema/organization.ts";
import { checkExceptions } from "./exceptions.ts";

/** Checks what refers to something else in organization.yaml, and each environment's own settings. */
export function checkOrganization(organization: Checked<Organization>, systems: string[]): void {
  const { data } = organization;
  if (data === undefined) return;
  checkPeople(organization, data);
  checkGroups(organization, data, systems);
  checkOrder(organization, data);
  checkSubjects(organization, data);
  for (const [name, block] of Object.entries(data.environments)) {
    if (name !== "local" && block?.vault?.address === undefined) {
      organization.report(
        ["environments", name, "vault", "address"],
        "is missing: write https://…, only the environment local goes without",
      );
    }
    if (block === null) continue;
    checkBlock(organization, name, block);
    checkAws(organization, name, block);
    checkProviders(organization, name, block);
    checkRotation(organization, name, block);
  }
  checkAccounts(organization, data);
  checkStates(organization, data);
  checkExceptions(organization, data.exceptions, organization.names("people"));
}

function checkPeople(organization: Checked<Organization>, data: Organization): void {
  const people = organization.names("people");
  for (const [index, name] of data.administrators.entries()) {
    organization.checkReference(["administrators", index], name, "a person", people);
  }
  if (new Set(data.administrators).size < 2) {
    organization.report(
      ["administrators"],
      "names fewer than two people: name at least two, so that one can be away (R59)",
    );
  }
  const groups = organization.names("groups");
  const emails = new Map<string, string>();
  const keys = new Map<string, string>();
  for (const [name, person] of Object.entries(data.people)) {
    for (const [index, group] of (person.groups ?? []).entries()) {
      if (group === "administrators") {
        organization.report(
          ["people", name, "groups", index],
          'is "administrators": add the name to administrators instead',
        );
      } else {
        organization.checkReference(["people", name, "groups", index], group, "a group", groups);
      }
    }
    const email = person.email.toLowerCase();
    const sameEmail = emails.get(email);
    if (sameEmail !== undefined) {
      organization.report(
        ["people", name, "email"],
        `is also the address of ${quote(sameEmail)}: give each person their own`,
      );
    } else emails.set(email, name);
    const sameKey = person.age === undefined ? undefined : keys.get(person.age);
    if (sameKey !== undefined) {
      organization.report(
        ["people", name, "age"],
        `is also the key of ${quote(sameKey)}: give each person their own`,
      );
    } else if (person.age !== undefined) keys.set(person.age, name);
  }
}

function checkGroups(organization: Checked<Organization>, data: Organization, systems: string[]): void {
  for (const [name, group] of Object.entries(data.groups ?? {})) {
    if (name === "administrators") {
      organization.report(
        ["groups", name],
        "is the name of the group that administrators makes: take another name",
        "key",
      );
    }
    if (group.audits === true && (group.operates ?? group.reads) !== undefined) {
      organization.report(
        ["groups", name, "audits"],
        "stands beside operates or reads: who sees everything changes nothing, make a group for each",
      );
    }
    for (const list of ["operates", "reads"] as const) {
      for (const [index, system] of (group[list] ?? []).entries()) {
        organization.checkReference(["groups", name, list, index], system, "a system", systems);
      }
    }
  }
}

/** Functions run inside the network, except where an emulator runs them on this machine. */
function checkAws(organization: Checked<Organization>, name: string, { aws, vault }: EnvironmentBlock): void {
  if (aws === undefined) return;
  const place = ["environments", name, "aws"];
  const local = vault?.address === undefined;
  if (!local && aws.network === undefined) {
    organization.report(
      [...place, "network"],
      "is missing: write { subnets: […], security-groups: […] } from which Vault and the databases are reached",
    );
  }
  if (!local && aws.emulator !== undefined) {
    organization.report([...place, "emulator"], "is of the environment local alone: remove it", "key");
  }
  if (local && aws.state !== undefined) {
    organization.report(
      [...place, "state"],
      "is of real environments alone, the local stack keeps its own: remove it",
      "key",
    );
  }
}

/** Who may read the state of one environment reads no other's. */
function checkStates(organization: Checked<Organization>, { environments }: Organization): void {
  const taken = new Map<string, string>();
  for (const [name, block] of Object.entries(environments)) {
    const bucket = block?.aws?.state?.bucket;
    if (bucket === undefined) continue;
    const before = taken.get(bucket);
    if (before === undefined) taken.set(bucket, name);
    else {
      organization.report(
        ["environments", name, "aws", "state", "bucket"],
        `holds the state of ${quote(before)} as well: give each environment a bucket of its own`,
      );
    }
  }
}

/** Of some things an account has one: the password policy, GitHub as an issuer, and what Access Analyzer looks at. */
function checkAccounts(organization: Checked<Organization>, { environments }: Organization): void {
  const taken = new Map<string, string>();
  for (const [name, block] of Object.entries(environments)) {
    const account = block?.aws?.account;
    if (account === undefined) continue;
    const before = taken.get(account);
    if (before === undefined) taken.set(account, name);
    else {
      organization.report(
        ["environments", name, "aws", "account"],
        `is also the account of ${quote(before)}: give each environment an account of its own, since an account has ` +
          "one password policy and one GitHub identity provider, which two stacks would take from each other",
      );
    }
  }
}

/** Both forms of the subject are trusted only on the way from one to the other. */
function checkSubjects(organization: Checked<Organization>, { platform }: Organization): void {
  const { subject, "names-until": until } = platform.repository;
  if (subject === "names" && until !== undefined) {
    organization.report(
      ["platform", "repository", "names-until"],
      "stands beside subject: names, which has no end: write subject: immutable, or remove it",
      "key",
    );
  }
}

/** `after` names an environment and never leads back to itself. */
function checkOrder(organization: Checked<Organization>, data: Organization): void {
  const environments = organization.names("environments");
  if (environments?.length === 0) {
    organization.report(["environments"], "names no environment: write local: {} at least");
  }
  const after = new Map(Object.entries(data.environments).map(([name, block]) => [name, block?.after]));
  for (const [name, first] of after) {
    if (first === undefined) continue;
    organization.checkReference(["environments", name, "after"], first, "an environment", environments);
    const way = [name];
    let next: string | undefined = first;
    while (next !== undefined && !way.includes(next)) {
      way.push(next);
      next = after.get(next);
    }
    if (next === name) {
      const circle = [...way, name].join(" after ");
      organization.report(["environments", name, "after"], `makes a circle: ${circle}; remove one of them`);
    }
  }
}

/** Addresses are of providers with an API: keys of the others are made by hand. */
function checkProviders(organization: Checked<Organization>, name: string, block: EnvironmentBlock): void {
  const declared = organization.data?.providers ?? {};
  for (const provider of Object.keys(block.providers ?? {})) {
    const place = ["environments", name, "providers", provider];
    organization.checkReference(place, provider, "a provider", organization.names("providers"), "key");
    if (declared[provider]?.api === false) {
      organization.report(place, "has no API: remove it, or write api: true at the provider", "key");
    }
  }
}

function checkRotation(organization: Checked<Organization>, name: string, block: EnvironmentBlock): void {
  for (const [index, { from, to }] of (block.rotation?.blackouts ?? []).entries()) {
    if (from !== to) continue;
    const place = ["environments", name, "rotation", "blackouts", index, "to"];
    organization.reportValue(place, "write another time than from; one before it is the next day's");
  }
}

function checkBlock(organization: Checked<Organization>, name: string, { vault }: EnvironmentBlock): void {
  if (vault === undefined) return;
  const place = ["environments", name, "vault"];
  if (vault["human-login"] === "oidc" && vault.oidc === undefined) {
    organization.report(
      [...place, "oidc"],
      "is missing beside human-login: oidc: write { discovery-url: …, client-id: … }",
    );
  }
  if (vault.audit === undefined) {
    if (vault.address !== undefined) {
      organization.report(
        [...place, "audit"],
        "is missing: write two devices on separate failure domains (R51)",
      );
    }
    return;
  }
  const devices = Object.entries(vault.audit);
  if (devices.length < 2) {
    organization.report(
      [...place, "audit"],
      "has fewer than two devices: one that blocks would stop Vault; write two (R51)",
      "key",
    );
  }
  const targets = new Map<string, string>();
  for (const [device, entry] of devices) {
    const { purpose: _, ...target } = entry;
    const same = targets.get(JSON.stringify(target));
    if (same !== undefined) {
      organization.report(
        [...place, "audit", device],
        `writes to the same place as ${quote(same)}: use a separate failure domain`,
        "key",
      );
    } else targets.set(JSON.stringify(target), device);
  }
}
