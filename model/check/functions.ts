import type { AwsModel } from "../aws.ts";
import { deriveAws } from "../derive/aws/index.ts";
import { deriveDatabases } from "../derive/databases.ts";
import { derivePeople } from "../derive/people.ts";
import { deriveGitHub, deriveVault } from "../derive/settings.ts";
import type { Checked } from "../load/check.ts";
import type { Organization } from "../schema/organization.ts";
import type { Subject } from "./subject.ts";

/**
 * How long AWS lets it be: bytes of all variables of a function together, characters of a role's rights.
 * https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 */
const most = { variables: 4096, rights: 10_240 };

/** What functions are told has room in their variables, and what they may do with the secrets in IAM's documents. */
export function checkFunctions(
  environment: string,
  organization: Checked<Organization>,
  subjects: Subject[],
): void {
  const block = organization.data?.environments[environment];
  if (organization.data === undefined || block?.aws === undefined) return;
  const keeping = subjects.filter(({ system }) => usersIn(system).length > 0);
  const context = {
    organization: organization.data,
    environment,
    block,
    systems: keeping.map(({ system }) => system),
  };
  const aws = deriveAws(context, {
    vault: deriveVault(context),
    github: deriveGitHub(context),
    databases: deriveDatabases(context),
    people: derivePeople(context),
  });
  if (aws === undefined) return;
  checkVariables(organization, environment, aws);
  checkRights(keeping, aws);
}

function checkVariables(organization: Checked<Organization>, environment: string, aws: AwsModel): void {
  const longest = Math.max(...aws.functions.map(({ variables }) => bytes(JSON.stringify(variables))));
  if (longest <= most.variables) return;
  const says = `makes the variables of a function longer than the ${most.variables} bytes that Lambda takes`;
  const vault = ["environments", environment, "vault"];
  if (organization.data?.environments[environment]?.vault?.certificate === undefined)
    organization.report([...vault, "address"], `${says}: write a shorter one`);
  else organization.report([...vault, "certificate"], `${says}: write the CA's own certificate alone`);
}

/** Each secret stands by name in the rights of its function and of who may have it rotated. */
function checkRights(keeping: Subject[], { roles, secrets }: AwsModel): void {
  const longest = Math.max(...roles.map(({ rights }) => JSON.stringify(rights ?? "").length));
  if (longest <= most.rights) return;
  const [subject] = keeping.toSorted((a, b) => usersIn(b.system).length - usersIn(a.system).length);
  const [fullest] = usersIn(subject?.system).toSorted((a, b) => b.users - a.users);
  subject?.file.report(
    ["databases", fullest?.database ?? ""],
    `makes the rights of an IAM role longer than the ${most.rights} characters that IAM takes: ` +
      `Secrets Manager keeps ${secrets.length} users in the environment; let those that services read have \`as\` instead`,
    "key",
  );
}

/** How many users each database keeps in Secrets Manager, without those that keep none. */
function usersIn(system: Subject["system"] | undefined): { database: string; users: number }[] {
  return Object.entries(system?.databases ?? {})
    .map(([database, { users }]) => ({
      database,
      users: Object.values(users ?? {}).filter((user) => user["secrets-manager"] !== undefined).length,
    }))
    .filter(({ users }) => users > 0);
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
