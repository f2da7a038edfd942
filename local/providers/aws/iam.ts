import {
  CreateGroupCommand,
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  DeleteAccountPasswordPolicyCommand,
  DeleteGroupCommand,
  DeleteGroupPolicyCommand,
  DeleteOpenIDConnectProviderCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  GetAccountPasswordPolicyCommand,
  GetGroupCommand,
  GetGroupPolicyCommand,
  GetOpenIDConnectProviderCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  type Role as LiveRole,
  PutGroupPolicyCommand,
  PutRolePolicyCommand,
  UpdateAccountPasswordPolicyCommand,
  UpdateAssumeRolePolicyCommand,
  UpdateRoleCommand,
} from "@aws-sdk/client-iam";
import type {
  AccountPasswordPolicy,
  AccountPasswordPolicyArgs,
} from "@pulumi/aws/iam/accountPasswordPolicy.js";
import type { Group, GroupArgs } from "@pulumi/aws/iam/group.js";
import type { GroupPolicy, GroupPolicyArgs } from "@pulumi/aws/iam/groupPolicy.js";
import type {
  OpenIdConnectProvider,
  OpenIdConnectProviderArgs,
} from "@pulumi/aws/iam/openIdConnectProvider.js";
import type { Role, RoleArgs } from "@pulumi/aws/iam/role.js";
import type { RolePolicy, RolePolicyArgs } from "@pulumi/aws/iam/rolePolicy.js";
import { flag, number, type Properties, set, text } from "../fields.ts";
import { said } from "../kind.ts";
import type { Aws } from "./clients.ts";
import { count, found, isThere, kind, optional, policy, strings } from "./kind.ts";

/** IAM writes documents back with percent signs. */
const plain = (document: string | undefined) => decodeURIComponent(document ?? "");

function described({ Arn, RoleId, Description, AssumeRolePolicyDocument, MaxSessionDuration }: LiveRole) {
  return {
    description: Description ?? "",
    assumeRolePolicy: plain(AssumeRolePolicyDocument),
    maxSessionDuration: MaxSessionDuration ?? 3600,
    arn: Arn ?? "",
    uniqueId: RoleId ?? "",
  };
}

async function setRole({ iam }: Aws, id: string, inputs: Properties): Promise<void> {
  await iam.send(
    new UpdateAssumeRolePolicyCommand({ RoleName: id, PolicyDocument: said(inputs, "assumeRolePolicy") }),
  );
  await iam.send(
    new UpdateRoleCommand({
      RoleName: id,
      Description: optional(inputs, "description") ?? "",
      MaxSessionDuration: count(inputs, "maxSessionDuration") ?? 3600,
    }),
  );
}

export const role = kind<Role, RoleArgs>({
  type: "aws:iam/role:Role",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    description: text(),
    assumeRolePolicy: policy({ required: true }),
    maxSessionDuration: number({ otherwise: 3600 }),
  },
  computed: ["arn", "uniqueId"],
  async create(aws, inputs) {
    const id = said(inputs, "name");
    const make = new CreateRoleCommand({
      RoleName: id,
      AssumeRolePolicyDocument: said(inputs, "assumeRolePolicy"),
      Description: optional(inputs, "description"),
      MaxSessionDuration: count(inputs, "maxSessionDuration"),
    });
    if (await isThere(() => aws.iam.send(make))) await setRole(aws, id, inputs);
    return id;
  },
  async read({ iam }, id) {
    const live = await found(() => iam.send(new GetRoleCommand({ RoleName: id })));
    return live?.Role === undefined ? undefined : { name: id, ...described(live.Role) };
  },
  update: setRole,
  async delete({ iam }, id) {
    await found(() => iam.send(new DeleteRoleCommand({ RoleName: id })));
  },
});

/** A policy within a role or a group; its id is "<holder>:<name>". */
const parts = (id: string): [holder: string, name: string] => {
  const [holder = "", name = ""] = id.split(":");
  return [holder, name];
};

export const rolePolicy = kind<RolePolicy, RolePolicyArgs>({
  type: "aws:iam/rolePolicy:RolePolicy",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    role: text({ required: true, replace: true, local: true }),
    policy: policy({ required: true }),
  },
  async create({ iam }, inputs) {
    const [RoleName, PolicyName] = [said(inputs, "role"), said(inputs, "name")];
    await iam.send(
      new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: said(inputs, "policy") }),
    );
    return `${RoleName}:${PolicyName}`;
  },
  async read({ iam }, id) {
    const [RoleName, PolicyName] = parts(id);
    const live = await found(() => iam.send(new GetRolePolicyCommand({ RoleName, PolicyName })));
    return live && { role: RoleName, name: PolicyName, policy: plain(live.PolicyDocument) };
  },
  async update({ iam }, id, inputs) {
    const [RoleName, PolicyName] = parts(id);
    await iam.send(
      new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: said(inputs, "policy") }),
    );
  },
  async delete({ iam }, id) {
    const [RoleName, PolicyName] = parts(id);
    await found(() => iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName })));
  },
});

export const group = kind<Group, GroupArgs>({
  type: "aws:iam/group:Group",
  fields: { name: text({ required: true, replace: true, local: true }) },
  computed: ["arn", "uniqueId"],
  async create({ iam }, inputs) {
    const GroupName = said(inputs, "name");
    await isThere(() => iam.send(new CreateGroupCommand({ GroupName })));
    return GroupName;
  },
  async read({ iam }, id) {
    const live = await found(() => iam.send(new GetGroupCommand({ GroupName: id })));
    return live && { name: id, arn: live.Group?.Arn ?? "", uniqueId: live.Group?.GroupId ?? "" };
  },
  async update() {
    throw new Error("a group is replaced, never changed");
  },
  async delete({ iam }, id) {
    await found(() => iam.send(new DeleteGroupCommand({ GroupName: id })));
  },
});

export const groupPolicy = kind<GroupPolicy, GroupPolicyArgs>({
  type: "aws:iam/groupPolicy:GroupPolicy",
  fields: {
    name: text({ required: true, replace: true, local: true }),
    group: text({ required: true, replace: true, local: true }),
    policy: policy({ required: true }),
  },
  async create({ iam }, inputs) {
    const [GroupName, PolicyName] = [said(inputs, "group"), said(inputs, "name")];
    await iam.send(
      new PutGroupPolicyCommand({ GroupName, PolicyName, PolicyDocument: said(inputs, "policy") }),
    );
    return `${GroupName}:${PolicyName}`;
  },
  async read({ iam }, id) {
    const [GroupName, PolicyName] = parts(id);
    const live = await found(() => iam.send(new GetGroupPolicyCommand({ GroupName, PolicyName })));
    return live && { group: GroupName, name: PolicyName, policy: plain(live.PolicyDocument) };
  },
  async update({ iam }, id, inputs) {
    const [GroupName, PolicyName] = parts(id);
    await iam.send(
      new PutGroupPolicyCommand({ GroupName, PolicyName, PolicyDocument: said(inputs, "policy") }),
    );
  },
  async delete({ iam }, id) {
    const [GroupName, PolicyName] = parts(id);
    await found(() => iam.send(new DeleteGroupPolicyCommand({ GroupName, PolicyName })));
  },
});

export const oidcProvider = kind<OpenIdConnectProvider, OpenIdConnectProviderArgs>({
  type: "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
  fields: {
    url: text({ required: true, replace: true, normal: (url) => url.replace(/^https:\/\//, "") }),
    clientIdLists: set({ required: true, replace: true }),
  },
  computed: ["arn"],
  async create({ iam, account }, inputs) {
    const Url = said(inputs, "url");
    await isThere(() =>
      iam.send(new CreateOpenIDConnectProviderCommand({ Url, ClientIDList: strings(inputs.clientIdLists) })),
    );
    return `arn:aws:iam::${account}:oidc-provider/${Url.replace(/^https:\/\//, "")}`;
  },
  async read({ iam }, id) {
    const ask = new GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: id });
    const live = await found(() => iam.send(ask));
    return (
      live && {
        url: (live.Url ?? "").replace(/^https:\/\//, ""),
        clientIdLists: [...(live.ClientIDList ?? [])].sort(),
        arn: id,
      }
    );
  },
  async update() {
    throw new Error("an OIDC provider is replaced, never changed");
  },
  async delete({ iam }, id) {
    await found(() => iam.send(new DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: id })));
  },
});

async function setPasswords({ iam }: Aws, inputs: Properties): Promise<void> {
  await iam.send(
    new UpdateAccountPasswordPolicyCommand({
      MinimumPasswordLength: count(inputs, "minimumPasswordLength"),
      PasswordReusePrevention: count(inputs, "passwordReusePrevention"),
      RequireLowercaseCharacters: inputs.requireLowercaseCharacters === true,
      RequireUppercaseCharacters: inputs.requireUppercaseCharacters === true,
      RequireNumbers: inputs.requireNumbers === true,
      RequireSymbols: inputs.requireSymbols === true,
      AllowUsersToChangePassword: inputs.allowUsersToChangePassword === true,
      HardExpiry: inputs.hardExpiry === true,
    }),
  );
}

export const passwordPolicy = kind<AccountPasswordPolicy, AccountPasswordPolicyArgs>({
  type: "aws:iam/accountPasswordPolicy:AccountPasswordPolicy",
  fields: {
    minimumPasswordLength: number({ otherwise: 6 }),
    passwordReusePrevention: number(),
    requireLowercaseCharacters: flag(),
    requireUppercaseCharacters: flag(),
    requireNumbers: flag(),
    requireSymbols: flag(),
    allowUsersToChangePassword: flag(),
    hardExpiry: flag(),
  },
  computed: ["expirePasswords"],
  async create(aws, inputs) {
    await setPasswords(aws, inputs);
    return "iam-account-password-policy";
  },
  async read({ iam }) {
    const live = await found(() => iam.send(new GetAccountPasswordPolicyCommand({})));
    const rules = live?.PasswordPolicy;
    if (rules === undefined) return undefined;
    return {
      minimumPasswordLength: rules.MinimumPasswordLength ?? 6,
      passwordReusePrevention: rules.PasswordReusePrevention ?? 0,
      requireLowercaseCharacters: rules.RequireLowercaseCharacters === true,
      requireUppercaseCharacters: rules.RequireUppercaseCharacters === true,
      requireNumbers: rules.RequireNumbers === true,
      requireSymbols: rules.RequireSymbols === true,
      allowUsersToChangePassword: rules.AllowUsersToChangePassword === true,
      hardExpiry: rules.HardExpiry === true,
      expirePasswords: rules.ExpirePasswords === true,
    };
  },
  async update(aws, _id, inputs) {
    await setPasswords(aws, inputs);
  },
  async delete({ iam }) {
    await found(() => iam.send(new DeleteAccountPasswordPolicyCommand({})));
  },
});
