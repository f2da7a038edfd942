import { createHash, createHmac, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { StandIn } from "./stand-in.ts";

interface AccessKey {
  id: string;
  secret: string;
  user: string;
  status: "Active" | "Inactive";
  lastUsed: Date | undefined;
}

/** IAM and STS as far as access keys go, over real HTTP, with signatures checked as AWS documents them. */
export class IamServer extends StandIn {
  readonly keys: AccessKey[] = [];
  readonly tags = new Map<string, Map<string, string>>();
  /** Actions that were served. */
  readonly served: string[] = [];
  /** Milliseconds by which its clock is ahead. */
  ahead = 0;
  /** Milliseconds by which a use is told to lie further back: nobody waits for it to grow old in a test. */
  usedEarlier = 0;
  /** What an action answers instead, with whether it acts before. */
  fault: (action: string) => { code: string; status: number } | "lost" | undefined = () => undefined;

  static async start(): Promise<IamServer> {
    return new IamServer().listen();
  }

  get address(): string {
    return `${this.origin}`;
  }

  issue(user: string): AccessKey {
    const key: AccessKey = {
      id: `AKIA${[...randomBytes(16)].map((byte) => base32[byte % 32]).join("")}`,
      secret: randomBytes(30).toString("base64"),
      user,
      status: "Active",
      lastUsed: undefined,
    };
    this.keys.push(key);
    return key;
  }

  protected async serve(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    response.setHeader("date", this.#now().toUTCString());
    const parameters = new URLSearchParams(body);
    const action = parameters.get("Action") ?? "";
    const caller = this.#callerOf(request, body);
    const fault = this.fault(action);
    if (fault !== undefined && fault !== "lost") {
      return void response.writeHead(fault.status).end(errorOf(fault.code));
    }
    if (typeof caller === "string") return void response.writeHead(403).end(errorOf(caller));
    const result = this.#act(action, parameters, caller);
    this.served.push(action);
    if (fault === "lost") return void response.destroy();
    if ("code" in result) return void response.writeHead(result.status).end(errorOf(result.code));
    const xml = `<${action}Response><${action}Result>${result.xml}</${action}Result></${action}Response>`;
    response.writeHead(200, { "content-type": "text/xml" }).end(xml);
  }

  #now(): Date {
    return new Date(Date.now() + this.ahead);
  }

  #act(action: string, parameters: URLSearchParams, caller: AccessKey) {
    const user = parameters.get("UserName") ?? "";
    const id = parameters.get("AccessKeyId") ?? "";
    const key = this.keys.find((one) => one.id === id);
    switch (action) {
      case "GetCallerIdentity":
        caller.lastUsed = new Date(this.#now().getTime() - this.usedEarlier);
        return {
          xml: `<Arn>arn:aws:iam::111111111111:user/${caller.user}</Arn><Account>111111111111</Account>`,
        };
      case "GetAccessKeyLastUsed": {
        if (key === undefined) return noSuchEntity;
        const used =
          key.lastUsed === undefined
            ? "<Region>N/A</Region><ServiceName>N/A</ServiceName>"
            : `<Region>eu-west-1</Region><ServiceName>s3</ServiceName><LastUsedDate>${key.lastUsed.toISOString()}</LastUsedDate>`;
        return { xml: `<UserName>${key.user}</UserName><AccessKeyLastUsed>${used}</AccessKeyLastUsed>` };
      }
      case "ListAccessKeys": {
        const members = this.keys
          .filter((one) => one.user === user)
          .map(
            (one) => `<member><AccessKeyId>${one.id}</AccessKeyId><Status>${one.status}</Status></member>`,
          );
        return {
          xml: `<AccessKeyMetadata>${members.join("")}</AccessKeyMetadata><IsTruncated>false</IsTruncated>`,
        };
      }
      case "ListUserTags": {
        const members = [...(this.tags.get(user) ?? [])].map(
          ([name, value]) => `<member><Key>${name}</Key><Value>${value}</Value></member>`,
        );
        return { xml: `<Tags>${members.join("")}</Tags>` };
      }
      case "TagUser": {
        const tags = this.tags.get(user) ?? new Map<string, string>();
        for (let index = 1; parameters.has(`Tags.member.${index}.Key`); index++) {
          const [name, value] = ["Key", "Value"].map((part) =>
            parameters.get(`Tags.member.${index}.${part}`),
          );
          tags.set(name ?? "", value ?? "");
        }
        this.tags.set(user, tags);
        return { xml: "" };
      }
      case "CreateAccessKey": {
        if (this.keys.filter((one) => one.user === user).length >= 2)
          return { code: "LimitExceeded", status: 409 };
        const made = this.issue(user);
        return {
          xml: `<AccessKey><UserName>${user}</UserName><AccessKeyId>${made.id}</AccessKeyId><SecretAccessKey>${made.secret}</SecretAccessKey></AccessKey>`,
        };
      }
      case "UpdateAccessKey":
        if (key === undefined) return noSuchEntity;
        key.status = parameters.get("Status") === "Inactive" ? "Inactive" : "Active";
        return { xml: "" };
      case "DeleteAccessKey":
        if (key === undefined) return noSuchEntity;
        this.keys.splice(this.keys.indexOf(key), 1);
        return { xml: "" };
      default:
        return { code: "InvalidAction", status: 400 };
    }
  }

  /** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
  #callerOf(request: IncomingMessage, body: string): AccessKey | string {
    const [, id = "", day = "", region = "", service = "", signed = "", signature = ""] =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
        request.headers.authorization ?? "",
      ) ?? [];
    const key = this.keys.find((one) => one.id === id && one.status === "Active");
    if (key === undefined) return "InvalidClientTokenId";
    const headers = signed.split(";").map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
    const canonical = [request.method, "/", "", headers.join(""), signed, sha256(body)].join("\n");
    const time = String(request.headers["x-amz-date"]);
    const text = [
      "AWS4-HMAC-SHA256",
      time,
      `${day}/${region}/${service}/aws4_request`,
      sha256(canonical),
    ].join("\n");
    const scopes = [day, region, service, "aws4_request", text];
    const expected = scopes.reduce<Buffer>(
      (secret, part) => createHmac("sha256", secret).update(part).digest(),
      Buffer.from(`AWS4${key.secret}`),
    );
    return expected.toString("hex") === signature && time.startsWith(day) ? key : "SignatureDoesNotMatch";
  }
}

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const noSuchEntity = { code: "NoSuchEntity", status: 404 };

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function errorOf(code: string): string {
  return `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>`;
}
