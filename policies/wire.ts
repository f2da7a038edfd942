import type { Struct } from "google-protobuf/google/protobuf/struct_pb.js";
import type { Props } from "./rule.ts";
import { guarded, unknown } from "./unknown.ts";

/** Marks a special value on Pulumi's wire; its own value says which kind of special. */
export const signature = "4dabf18193072939515e22adb298388d"; // pragma: allowlist secret
const secret = "1b47061264138c4ac30d75fd1eb44270"; // pragma: allowlist secret

/**
 * What stands for a value that is not known yet, by its type: boolean, number, text, list, asset, archive, object.
 * https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/plugin/rpc.go
 */
const unknowns = new Set([
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  "030794c1-ac77-496b-92df-f27374a8bd58",
  "e48ece36-62e2-4504-bad9-02848725956a",
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
]);

/** Properties as the engine sends them: secrets unwrapped, reading what is not known yet throws UnknownValue. */
export function propsOf(properties: Struct | undefined): Props {
  return guarded((properties === undefined ? {} : plain(properties.toJavaScript())) as Props);
}

function plain(value: unknown): unknown {
  if (typeof value === "string") return unknowns.has(value) ? unknown : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  const entries = value as { [key: string]: unknown };
  if (entries[signature] === secret) return plain(entries.value);
  const read: { [key: string]: unknown } = {};
  for (const key of Object.keys(entries)) read[key] = plain(entries[key]);
  return read;
}
