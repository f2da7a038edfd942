import { ofType } from "../resource.ts";
import type { Props, ResourceRule, StackRule } from "../rule.ts";
import { bounded, number, record, seconds, text } from "../value.ts";
import { vault } from "./types.ts";

const day = 86_400;

/** Keys of keyed hashes: a new version would make every fingerprint another one. */
const hashes = ({ type }: Props) => type === "hmac";

export const keyStays: ResourceRule = {
  name: "key-stays-inside",
  sentence: "An encryption key never leaves Vault.",
  severity: "critical",
  fix: "Set exportable and allowPlaintextBackup to false.",
  controls: ["NIST-800-53r5/SC-28(3)", "NIST-800-57p1r5/6.2.2", "R53"],
  types: [vault.key],
  *judge({ props }) {
    for (const name of ["exportable", "allowPlaintextBackup"])
      if (props[name] !== false) yield `${name} is not false`;
  },
};

export const keyNotDeletable: ResourceRule = {
  name: "key-not-deletable",
  sentence: "A key that still decrypts something cannot be deleted.",
  severity: "critical",
  fix: "Set deletionAllowed to false; the catalogue lifts it by retired: { delete: true }.",
  controls: ["NIST-800-53r5/SC-12", "NIST-800-57p1r5/8.3.1", "R22", "R24"],
  types: [vault.key],
  // A key that is retired with `delete: true` has lost its protection by a reviewed change of its own.
  *judge({ props, protect }) {
    if (props.deletionAllowed === false || (props.deletionAllowed === true && !protect)) return;
    yield "deletionAllowed is not false while the key is in use";
  },
};

export const keyRotates: ResourceRule = {
  name: "key-rotates",
  sentence: "An encryption key rotates itself within 90 days; a key of keyed hashes never does.",
  severity: "high",
  fix: "Set autoRotatePeriod to between an hour and 90 d.",
  controls: ["NIST-800-53r5/SC-12", "NIST-800-57p1r5/5.3.6", "OWASP-Secrets/2.7.2-rotation", "R17"],
  types: [vault.key],
  *judge({ props }) {
    const period = props.autoRotatePeriod;
    if (hashes(props)) {
      if (seconds(period) !== 0) yield "autoRotatePeriod is not 0: fingerprints could no longer be compared";
    } else if (!bounded(period, 90 * day) || (seconds(period) ?? 0) < 3600) {
      yield "autoRotatePeriod is not between 1 h and 90 d";
    }
  },
};

const ciphers = ["aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"];

export const keyStrong: ResourceRule = {
  name: "key-strong",
  sentence: "A key authenticates what it encrypts, has 256 bits, and is the same for the same name.",
  severity: "high",
  fix: "Set type to aes256-gcm96, without derivation or convergent encryption.",
  controls: ["NIST-800-53r5/SC-13", "NIST-800-57p1r5/5.6", "R53", "R62"],
  types: [vault.key],
  *judge({ props }) {
    const type = text(props.type);
    if (type === "hmac") {
      const size = number(props.keySize);
      if (size === undefined || size < 32 || size > 512) yield "keySize is not between 32 and 512 bytes";
    } else if (type === undefined || !ciphers.includes(type)) yield `the type is ${type ?? "not set"}`;
    if (props.convergentEncryption === true) yield "convergentEncryption shows which plaintexts are equal";
    if (number(props.minDecryptionVersion) === 0) yield "minDecryptionVersion is 0";
  },
};

export const kvVersioned: ResourceRule = {
  name: "kv-versioned",
  sentence: "Secret values lie in a key-value engine of version 2.",
  severity: "high",
  fix: 'Set type to kv and options.version to "2".',
  controls: ["NIST-800-53r5/SI-12", "OWASP-Secrets/2.7-lifecycle", "R1"],
  types: [vault.mount],
  *judge({ props }) {
    const type = text(props.type);
    if (type === undefined) yield "the mount has no type";
    if (type === "generic" || type === "cubbyhole") yield `a mount of type ${type} keeps no versions`;
    if (type === "kv" && (props.options as Props | undefined)?.version !== "2")
      yield "options.version is not 2";
    const others = Object.keys(record(props.options)).filter((option) => option !== "version");
    if (others.length > 0) yield `options has ${others.join(", ")}, which nobody has thought of here`;
  },
};

export const kvKeepsVersions: ResourceRule = {
  name: "kv-keeps-versions",
  sentence:
    "The last versions of a value are kept, none goes by itself, and no write overwrites another unseen.",
  severity: "high",
  fix: "Set maxVersions to between 2 and 50, deleteVersionAfter to 0 and casRequired to true.",
  controls: ["NIST-800-53r5/SI-12", "R22", "R27"],
  types: [vault.kv],
  *judge({ props }) {
    const kept = number(props.maxVersions);
    if (kept === undefined || kept < 2 || kept > 50) yield "maxVersions is not between 2 and 50";
    if (props.deleteVersionAfter !== undefined && seconds(props.deleteVersionAfter) !== 0)
      yield "deleteVersionAfter deletes what may be in use";
    if (props.casRequired !== true) yield "casRequired is not true";
  },
};

export const kvConfigured: StackRule = {
  name: "kv-configured",
  sentence: "Each key-value engine has its versions and its check-and-set said.",
  severity: "high",
  fix: "Declare a SecretBackendV2 for the mount.",
  controls: ["NIST-800-53r5/CM-6", "R22", "R27"],
  *judgeStack(resources) {
    const said = new Set(ofType(resources, vault.kv).map(({ props }) => props.mount));
    for (const { type, urn, props } of resources) {
      if (type === vault.mount && props.type === "kv" && !said.has(props.path)) {
        yield {
          urn,
          message: "nothing says how many versions it keeps and that writes name the version before",
        };
      }
    }
  },
};
