import { ofType } from "../resource.ts";
import type { ResourceRule, StackRule } from "../rule.ts";
import { number, record, text, texts } from "../value.ts";
import { humanLogins, vault } from "./types.ts";

const administrators = "administrators";

export const twoAdministrators: StackRule = {
  name: "two-administrators",
  sentence:
    "At least two named people are administrators, so that neither a person nor their absence decides alone.",
  severity: "high",
  fix: "Name another person under administrators in catalogue/organization.yaml.",
  controls: ["NIST-800-53r5/AC-2", "NIST-800-53r5/AC-6(5)", "OWASP-Secrets/2.3-access-control", "R59"],
  *judgeStack(resources) {
    const groups = ofType(resources, vault.group);
    if (groups.length === 0 && ofType(resources, vault.entity).length === 0) return;
    const group = groups.find(({ props }) => props.name === administrators);
    if (group === undefined) {
      yield { message: `there is no group ${administrators}` };
      return;
    }
    const members = group.props.memberEntityIds;
    // How many there are is known before who they are.
    const count = Array.isArray(members) ? members.length : 0;
    if (count < 2) yield { urn: group.urn, message: `${count} administrator(s)` };
    else if (new Set(texts(members)).size < 2) yield { urn: group.urn, message: "they are one and the same" };
  },
};

export const groupsClosed: ResourceRule = {
  name: "groups-closed",
  sentence: "A group's members are the people whom the catalogue names, and nobody adds to them elsewhere.",
  severity: "high",
  fix: "Declare an internal group with memberEntityIds and the group's own policy.",
  controls: ["NIST-800-53r5/AC-2", "R59"],
  types: [vault.group],
  *judge({ props }) {
    if (props.type !== "internal") yield "the group is not internal: another system decides who is in it";
    if (!Array.isArray(props.memberEntityIds)) yield "memberEntityIds is not said";
    if (
      props.externalMemberEntityIds === true ||
      props.externalMemberGroupIds === true ||
      props.externalPolicies === true
    ) {
      yield "members or policies that someone else adds are left alone";
    }
    if (texts(props.memberGroupIds).length > 0) yield "members of other groups are in it unseen";
    const policies = texts(props.policies);
    if (policies.length === 0) yield "the group has no policy";
    for (const policy of policies) {
      if (policy !== `keyplane.group.${text(props.name) ?? ""}`)
        yield `the group gets ${policy}, which is not its own`;
    }
  },
};

export const rightsThroughGroups: ResourceRule = {
  name: "rights-through-groups",
  sentence: "A person has no policy of their own: what they may do comes from their groups.",
  severity: "high",
  fix: "Set policies of the entity to an empty list, and name the person's groups.",
  controls: ["NIST-800-53r5/AC-3(7)", "R59"],
  types: [vault.entity],
  *judge({ props }) {
    if (text(props.name) === undefined) yield "the person has no name";
    const policies = texts(props.policies);
    if (!Array.isArray(props.policies) || props.externalPolicies === true)
      yield "policies that someone attaches go unnoticed";
    if (policies.length > 0) yield `the person has ${policies.join(", ")} directly`;
  },
};

export const everyoneInAGroup: StackRule = {
  name: "everyone-in-a-group",
  sentence: "Everyone who can log in belongs to a group, and a group has nobody else.",
  severity: "medium",
  fix: "Give the person a group, or take them out of people.",
  controls: ["NIST-800-53r5/AC-2", "R59"],
  *judgeStack(resources) {
    const people = new Map(
      ofType(resources, vault.alias).map(({ urn, props }) => [text(props.canonicalId) ?? "", urn]),
    );
    const members = new Set<string>();
    for (const { urn, props } of ofType(resources, vault.group)) {
      for (const id of texts(props.memberEntityIds)) {
        members.add(id);
        if (!people.has(id)) yield { urn, message: "a member is nobody who can log in" };
      }
    }
    for (const [id, urn] of people) {
      if (!members.has(id)) yield { urn, message: "the person is in no group" };
    }
  },
};

export const mfaForPeople: StackRule = {
  name: "mfa-for-people",
  sentence: "Every login of people asks for a second factor, and no login of machines does.",
  severity: "critical",
  fix: "Name the accessor of the human login, and of it alone, in the enforcement's authMethodAccessors.",
  controls: ["NIST-800-53r5/IA-2(1)", "NIST-800-53r5/IA-2(2)", "R50"],
  *judgeStack(resources) {
    const mounts = [...ofType(resources, vault.auth), ...ofType(resources, vault.jwt)];
    const people = mounts.filter(({ props }) => humanLogins.includes(text(props.type) ?? ""));
    const enforcements = ofType(resources, vault.enforcement);
    if (people.length > 0 && enforcements.length === 0) {
      for (const { urn } of people) yield { urn, message: "no enforcement asks for a second factor" };
      return;
    }
    const asked = new Set(enforcements.flatMap(({ props }) => texts(props.authMethodAccessors)));
    const methods = new Set(ofType(resources, vault.totp).map(({ props }) => text(props.methodId) ?? ""));
    for (const { urn, props } of enforcements) {
      if (texts(props.mfaMethodIds).some((id) => !methods.has(id))) {
        yield { urn, message: "a method that it names is none of ours" };
      }
    }
    for (const { urn, props } of people) {
      if (!asked.delete(text(props.accessor) ?? ""))
        yield { urn, message: "no enforcement names its accessor" };
    }
    if (asked.size > 0) {
      for (const { urn } of enforcements) {
        yield { urn, message: "it names a login that is not people's: a machine could never log in" };
      }
    }
  },
};

export const mfaEnforced: ResourceRule = {
  name: "mfa-enforced",
  sentence: "An enforcement names a method and logins, and an update cannot remove it unnoticed.",
  severity: "critical",
  fix: "Set mfaMethodIds and authMethodAccessors, and protect the enforcement and its method.",
  controls: ["NIST-800-53r5/IA-2(1)", "NIST-800-53r5/IA-2(2)", "R50"],
  types: [vault.enforcement],
  *judge({ props, protect }) {
    if (!protect) yield "the enforcement is not protected: without it a password is enough";
    const length = (value: unknown) => (Array.isArray(value) ? value.length : 0);
    // That there is one is known before its id is.
    if (length(props.mfaMethodIds) === 0) yield "mfaMethodIds is empty";
    if (length(props.authMethodAccessors) === 0) yield "authMethodAccessors is empty";
    if (texts(props.authMethodAccessors).includes("")) yield "authMethodAccessors has an empty accessor";
    if (texts(props.mfaMethodIds).includes("")) yield "mfaMethodIds has an empty id";
  },
};

export const mfaGuessesBounded: ResourceRule = {
  name: "mfa-guesses-bounded",
  sentence: "A second factor cannot be guessed: six digits or more, half a minute, few tries.",
  severity: "high",
  fix: "Set digits 6 or 8, period 30, skew at most 1, keySize at least 20 and maxValidationAttempts at most 5.",
  controls: ["NIST-800-53r5/AC-7", "NIST-800-53r5/IA-5", "R50"],
  types: [vault.totp],
  *judge({ props, protect }) {
    const between = (name: string, least: number, most: number) => {
      const value = number(props[name]);
      return value !== undefined && value >= least && value <= most
        ? undefined
        : `${name} is not between ${least} and ${most}`;
    };
    const wrong = [
      between("digits", 6, 8),
      between("period", 15, 30),
      between("skew", 0, 1),
      between("keySize", 20, 64),
      between("maxValidationAttempts", 1, 5),
    ];
    yield* wrong.filter((message) => message !== undefined);
    if (!["SHA1", "SHA256", "SHA512"].includes(text(props.algorithm) ?? "")) yield "algorithm is not set";
    if (text(props.issuer) === undefined) yield "issuer is not set: people cannot tell which Vault asks";
    if (!protect) yield "the method is not protected: with it everyone's second factor goes";
  },
};

export const aliasOfLogin: StackRule = {
  name: "alias-of-login",
  sentence: "A person is tied to one exact name of a login of people, which is nobody else's.",
  severity: "high",
  fix: "Set name to the person's own or their address, and mountAccessor and canonicalId to those of the human login and of the person.",
  controls: ["NIST-800-53r5/IA-4", "R52", "R59"],
  types: [vault.alias],
  *judgeStack(resources) {
    const accessors = new Set(
      ofType(resources, vault.auth)
        .filter(({ props }) => humanLogins.includes(text(props.type) ?? ""))
        .map(({ props }) => text(props.accessor) ?? ""),
    );
    const people = new Set(
      ofType(resources, vault.entity).flatMap(({ props }) => [
        text(props.name),
        text(record(props.metadata).email),
      ]),
    );
    const taken = new Set<string>();
    for (const { urn, props } of ofType(resources, vault.alias)) {
      const name = text(props.name);
      if (name === undefined || !/^[\w.+-]+(@[\w.-]+)?$/.test(name))
        yield { urn, message: "the alias has no exact name" };
      // Vault ties a name that it knows to the person who is written last.
      else if (taken.has(name)) yield { urn, message: `${name} logs in as somebody else already` };
      else if (!people.has(name)) yield { urn, message: `${name} is neither a person's name nor address` };
      if (name !== undefined) taken.add(name);
      const accessor = text(props.mountAccessor);
      if (accessor === undefined || !accessors.has(accessor))
        yield { urn, message: "mountAccessor is of no login of people" };
      if (text(props.canonicalId) === undefined) yield { urn, message: "canonicalId is not set" };
    }
  },
};
