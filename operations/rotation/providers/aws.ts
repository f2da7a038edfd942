import { parseXml, XmlElement } from "@rgrove/parse-xml";
import { AwsV4Signer } from "aws4fetch";
import type { Fields } from "../../values/shape.ts";
import { isObject, objectsIn, textIn } from "./http.ts";
import {
  type Adapter,
  type KeyApi,
  type ListedKey,
  type Owned,
  ProviderError,
  QuotaError,
} from "./provider.ts";

/**
 * Access keys of one IAM user, by AWS' query APIs
 * (https://docs.aws.amazon.com/IAM/latest/APIReference: ListAccessKeys, GetAccessKeyLastUsed, CreateAccessKey,
 * UpdateAccessKey, DeleteAccessKey, ListUserTags, TagUser; and GetCallerIdentity of STS), signed with version 4. Also
 * what speaks the same: the address is IAM's endpoint, and that of STS where it is not AWS' own.
 *
 * Access keys have no labels, and may do what their user may. So before a key is made, the user's tags say for which rotation
 * and which keys there were, and afterwards which one was made: that one is the rotation's. Killed in between, it is the one
 * that was not there before.
 */
export const aws: Adapter = {
  // No bound is published; IAM answers Throttling to fast clients.
  bound: { requests: 4, per: 1, concurrent: 1 },
  // IAM is eventually consistent.
  settles: 60,
  tellsWithin: 900,
  longestLabel: 256,
  open({ http, address, credential, fields }): KeyApi {
    const [idField = "", secretField = ""] = fields;
    const call = async (what: string, as: Fields, endpoint: Endpoint, parameters: Record<string, string>) => {
      const [accessKeyId = "", secretAccessKey = ""] = Object.values(as);
      const signer = new AwsV4Signer({
        url: `${endpoint.url}/`,
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
        body: new URLSearchParams({ ...parameters, Version: endpoint.version }).toString(),
        accessKeyId,
        secretAccessKey,
        service: endpoint.service,
        region: "us-east-1",
      });
      const { url, headers, body } = await signer.sign();
      const answer = await http.ask(what, url, {
        method: "POST",
        headers: Object.fromEntries(headers),
        body: String(body),
      });
      const document = read(answer.text);
      if (answer.status === 200) {
        const result = resultOf(document, parameters.Action ?? "");
        if (result === undefined) http.object(what, { ...answer, text: "" });
        return { code: undefined, result: result ?? {}, answer };
      }
      const code = codeOf(document);
      if (code.startsWith("Throttling")) throw http.unavailable(what, "asks to wait", 1);
      return { code, result: {}, answer };
    };
    const iam = { url: address, service: "iam", version: "2010-05-08" };
    const ask = (what: string, parameters: Record<string, string>) => call(what, credential, iam, parameters);
    const userOf = async (id: string) => {
      const what = "find the user of a key";
      const { code, result, answer } = await ask(what, { Action: "GetAccessKeyLastUsed", AccessKeyId: id });
      if (code === "NoSuchEntity") return undefined;
      if (code !== undefined) throw http.refused(what, answer.status, code);
      return {
        user: textIn(result.UserName),
        used: isObject(result.AccessKeyLastUsed) ? result.AccessKeyLastUsed : {},
      };
    };
    const accountOf = async (key: Fields) => (await userOf(idOf(key)))?.user;
    const userBeside = async ({ key, account }: Owned) => {
      const user = account ?? (await accountOf(key)) ?? "";
      if (user === "")
        throw new ProviderError("IAM does not know the access key: set one of a user that lives");
      return user;
    };
    const idsOf = async (user: string) => {
      const what = "list the keys";
      const { code, result, answer } = await ask(what, { Action: "ListAccessKeys", UserName: user });
      if (code !== undefined) throw http.refused(what, answer.status, code);
      const metadata = membersOf(result.AccessKeyMetadata);
      return { ids: metadata.map(({ AccessKeyId }) => textIn(AccessKeyId)), at: answer.at };
    };
    const tagsOf = async (user: string) => {
      const what = "read the user's tags";
      const { code, result, answer } = await ask(what, { Action: "ListUserTags", UserName: user });
      if (code !== undefined) throw http.refused(what, answer.status, code);
      const tags = membersOf(result.Tags).map(({ Key, Value }) => [textIn(Key), textIn(Value)]);
      return new Map(tags as [string, string][]);
    };
    const note = async (what: string, user: string, tags: Record<string, string>) => {
      const members = Object.entries(tags).flatMap(([name, value], index) => [
        [`Tags.member.${index + 1}.Key`, name],
        [`Tags.member.${index + 1}.Value`, value],
      ]);
      const parameters = { Action: "TagUser", UserName: user, ...Object.fromEntries(members) };
      const { code, answer } = await ask(what, parameters);
      if (code !== undefined) throw http.refused(what, answer.status, code);
    };
    return {
      async idOf(key) {
        return (await userOf(idOf(key))) === undefined ? undefined : idOf(key);
      },
      accountOf,
      async rights(key) {
        const what = "say whose a key is";
        const host = new URL(address).hostname;
        const url = host.endsWith(".amazonaws.com") ? "https://sts.amazonaws.com" : address;
        const sts = { url, service: "sts", version: "2011-06-15" };
        const { code, result, answer } = await call(what, key, sts, { Action: "GetCallerIdentity" });
        if (code === undefined) return [`user ${textIn(result.Arn).split("/").at(-1)}`];
        if (refusals.has(code)) return undefined;
        throw http.refused(what, answer.status, code);
      },
      async list(beside) {
        const user = await userBeside(beside);
        const { ids, at } = await idsOf(user);
        const tags = await tagsOf(user);
        const [made, before] = [tags.get(madeTag), tags.get(beforeTag)?.split(" ") ?? []];
        // An older version noted no key: which ones are its own is not known.
        const isMade = (id: string) => (made === "" ? !before.includes(id) : id === made);
        const keys: ListedKey[] = [];
        for (const id of ids) {
          const used = (await userOf(id))?.used;
          keys.push({
            id,
            label: isMade(id) ? (tags.get(rotationTag) ?? "") : "",
            rights: [`user ${user}`],
            ...(used !== undefined && { lastUsed: lastUse(textIn(used.LastUsedDate)) }),
            ...(textIn(used?.ServiceName) !== "" &&
              used?.ServiceName !== "N/A" && { usedBy: textIn(used?.ServiceName) }),
          });
        }
        return { keys, at };
      },
      async create(label, like) {
        const user = await userBeside(like);
        const { ids } = await idsOf(user);
        await note("note the keys that there are", user, {
          [rotationTag]: label,
          [beforeTag]: ids.join(" "),
          [madeTag]: "",
        });
        const what = "make a key";
        const { code, result, answer } = await ask(what, { Action: "CreateAccessKey", UserName: user });
        if (code !== undefined) await note("note that no key was made", user, { [madeTag]: "none" });
        if (code === "LimitExceeded") throw new QuotaError(http.refused(what, answer.status, code).message);
        if (code !== undefined) throw http.refused(what, answer.status, code);
        const made = isObject(result.AccessKey) ? result.AccessKey : {};
        const [key, secret] = [textIn(made.AccessKeyId), textIn(made.SecretAccessKey)];
        if (key === "" || secret === "") {
          throw new ProviderError("IAM made a key without an id or secret: nothing can be kept of it");
        }
        await note("note the key that was made", user, { [madeTag]: key });
        return { id: key, fields: { [idField]: key, [secretField]: secret } };
      },
      async revoke(id, beside) {
        const user = await userBeside(beside);
        // Inactive first: where deleting it fails, it is refused all the same.
        for (const parameters of [
          { Action: "UpdateAccessKey", Status: "Inactive" },
          { Action: "DeleteAccessKey" },
        ]) {
          const what = "revoke a key";
          const { code, answer } = await ask(what, { ...parameters, AccessKeyId: id, UserName: user });
          if (code === "NoSuchEntity") return;
          if (code !== undefined) throw http.refused(what, answer.status, code);
        }
      },
    };
  },
};

interface Endpoint {
  url: string;
  service: string;
  version: string;
}

const rotationTag = "keyplane-rotation";
const beforeTag = "keyplane-keys-before";
const madeTag = "keyplane-key-made";

/** https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html */
const refusals = new Set([
  "InvalidClientTokenId",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "UnrecognizedClientException",
]);

function idOf(key: Fields): string {
  return Object.values(key)[0] ?? "";
}

function read(text: string): Record<string, unknown> {
  try {
    const { root } = parseXml(text);
    return root === null ? {} : { [root.name]: contentOf(root) };
  } catch {
    return {};
  }
}

/** A text, or an object of what is inside; the entries of a list are its `member`. */
function contentOf(element: XmlElement): unknown {
  const inner = element.children.filter((child) => child instanceof XmlElement);
  if (inner.length === 0) return element.text.trim();
  const members = inner.filter(({ name }) => name === "member").map(contentOf);
  const fields = Object.fromEntries(inner.map((child) => [child.name, contentOf(child)]));
  return members.length === 0 ? fields : { ...fields, member: members };
}

/** What stands in <…Response><…Result>; undefined where the answer is not the action's. */
function resultOf(document: Record<string, unknown>, action: string): Record<string, unknown> | undefined {
  const response = document[`${action}Response`];
  if (!isObject(response)) return undefined;
  const result = response[`${action}Result`];
  return isObject(result) ? result : {};
}

function codeOf({ ErrorResponse: response }: Record<string, unknown>): string {
  const error = isObject(response) ? response.Error : undefined;
  return (isObject(error) && textIn(error.Code)) || "Unknown";
}

function membersOf(list: unknown): Record<string, unknown>[] {
  return isObject(list) ? objectsIn(list.member) : [];
}

function lastUse(said: string): Date | "never" {
  const at = Date.parse(said);
  return Number.isNaN(at) ? "never" : new Date(at);
}
