import { change, type Malformed } from "./case.ts";

export const secrets: Malformed[] = [
  {
    name: "a file name of a variable that is not there",
    files: change(
      "systems/shop.yaml",
      "{ role: signer, as: { SIGNING_FILE: primary } }",
      "{ role: signer, as: { SIGNING_FILE: primary }, files: { SINGING_FILE: x } }",
    ),
    expected: [
      'systems/shop.yaml:22:68: secrets.signing.consumers.api.files.SINGING_FILE is not a variable of as: did you mean "SIGNING_FILE"?',
    ],
  },
  {
    name: "a file name of a variable that holds the value",
    files: change(
      "systems/shop.yaml",
      "{ role: signer, as: { SIGNING_FILE: primary } }",
      "{ role: signer, as: { SIGNING: primary }, files: { SIGNING: x } }",
    ),
    expected: [
      "systems/shop.yaml:22:63: secrets.signing.consumers.api.files.SIGNING names a file for a variable that holds the value: end the variable in _FILE",
    ],
  },
  {
    name: "a template with the name of a field",
    files: change(
      "systems/shop.yaml",
      "    provider: openai\n",
      '    provider: openai\n    templates: { key: "x{key}" }\n',
    ),
    expected: [
      "systems/shop.yaml:27:18: secrets.openai.templates.key has the name of a field: take another name than key",
    ],
  },
  {
    name: "a template with an open brace",
    files: change(
      "systems/shop.yaml",
      "    provider: openai\n",
      '    provider: openai\n    templates: { line: "x{key" }\n',
    ),
    expected: [
      "systems/shop.yaml:27:24: secrets.openai.templates.line has a brace without its pair: write {FIELD}",
    ],
  },
  {
    name: "a template without a field",
    files: change(
      "systems/shop.yaml",
      "    provider: openai\n",
      '    provider: openai\n    templates: { line: "x" }\n',
    ),
    expected: ["systems/shop.yaml:27:24: secrets.openai.templates.line uses no field: write one of {key}"],
  },
  {
    name: "an unknown owner of a secret",
    files: change("systems/shop.yaml", "    provider: openai\n", "    provider: openai\n    owner: cleo\n"),
    expected: [
      'systems/shop.yaml:27:12: secrets.openai.owner is "cleo", which is not a person: write one of ada, ben',
    ],
  },
  {
    name: "fields of a kind that has its own",
    files: change("systems/shop.yaml", "kind: hmac", "kind: hmac\n    fields: [key]"),
    expected: [
      "systems/shop.yaml:18:5: secrets.signing.fields cannot be chosen: kind hmac has primary, secondary, key-id; remove it",
      'systems/shop.yaml:22:53: secrets.signing.consumers.worker.as.SIGNING_FILE is "primary", which is not a field of this secret: write one of key',
      'systems/shop.yaml:22:83: secrets.signing.consumers.worker.as.SIGNING_BEFORE_FILE is "secondary", which is not a field of this secret: write one of key',
      'systems/shop.yaml:23:48: secrets.signing.consumers.api.as.SIGNING_FILE is "primary", which is not a field of this secret: write one of key',
    ],
  },
  {
    name: "a JWT key that does not say what its change does",
    files: change(
      "systems/shop.yaml",
      "kind: hmac\n    idle: none\n    rotate: { every: 30d, overlap: 24h }\n    consumers:\n      worker: { role: listener, as: { SIGNING_FILE: primary, SIGNING_BEFORE_FILE: secondary } }\n      api: { role: signer, as: { SIGNING_FILE: primary } }",
      "kind: jwt\n    rotate: { every: 30d }",
    ),
    expected: [
      'systems/shop.yaml:15:3: secrets.signing.impact is missing: say what a change of this jwt key does to people, such as "logs every user out" (R49)',
    ],
  },
  {
    name: "a machine that makes what only people can",
    files: change(
      "systems/shop.yaml",
      "    provider: openai\n    rotate: { by: hand",
      "    rotate: { by: machine",
    ),
    expected: [
      'systems/shop.yaml:26:19: secrets.openai.rotate.by is "machine", but nothing can make this api-key: write by: hand, or name its provider',
    ],
  },
  {
    name: "an overlap below the least",
    files: change("systems/shop.yaml", "overlap: 24h", "overlap: 30m"),
    expected: ['systems/shop.yaml:19:36: secrets.signing.rotate.overlap is "30m": write at least 1h (R27)'],
  },
  {
    name: "a generator of what is set by hand",
    files: change(
      "systems/shop.yaml",
      "    provider: openai\n",
      "    provider: openai\n    generator: { bytes: 64B }\n",
    ),
    expected: [
      "systems/shop.yaml:27:5: secrets.openai.generator makes no value here: remove it, the value is set by hand or by its provider",
    ],
  },
  {
    name: "a Fernet key of another size and encoding",
    files: change(
      "systems/shop.yaml",
      "  openai:\n",
      "  fernet:\n    class: critical\n    kind: fernet\n    generator: { bytes: 64B, encoding: hex }\n    rotate: { every: 90d, overlap: 30d }\n    idle: none\n  openai:\n",
    ),
    expected: [
      'systems/shop.yaml:26:25: secrets.fernet.generator.bytes is "64B": write 32B: a Fernet key has no other size',
      'systems/shop.yaml:26:40: secrets.fernet.generator.encoding is "hex": write fernet',
    ],
  },
  {
    name: "a signing key's encoding in another kind",
    files: change("systems/shop.yaml", "kind: hmac", "kind: hmac\n    generator: { encoding: es256 }"),
    expected: [
      'systems/shop.yaml:18:28: secrets.signing.generator.encoding is "es256": write hex, base64 or base64url: es256 belongs to kind: jwt',
    ],
  },
  {
    name: "the size of an ES256 key",
    files: change(
      "systems/shop.yaml",
      "  openai:\n",
      "  sessions:\n    class: critical\n    kind: jwt\n    generator: { bytes: 64B, encoding: es256 }\n    rotate: { every: 90d }\n    impact: Logs everybody out\n  openai:\n",
    ),
    expected: [
      "systems/shop.yaml:26:18: secrets.sessions.generator.bytes belongs to the other encodings: an ES256 key has one size",
    ],
  },
  {
    name: "too many random bytes in an encoding of another kind",
    files: change(
      "systems/shop.yaml",
      "kind: hmac",
      "kind: hmac\n    generator: { bytes: 1025B, encoding: fernet }",
    ),
    expected: [
      'systems/shop.yaml:18:25: secrets.signing.generator.bytes is "1025B": write at most 1024B',
      'systems/shop.yaml:18:42: secrets.signing.generator.encoding is "fernet": write hex, base64 or base64url, or kind: fernet',
    ],
  },
  {
    name: "nobody who listens",
    files: change("systems/shop.yaml", "{ role: listener,", "{ role: signer,"),
    expected: [
      "systems/shop.yaml:20:5: secrets.signing.consumers has no listener: give one service role: listener (R29)",
    ],
  },
  {
    name: "a former name that is the name",
    files: change(
      "systems/shop.yaml",
      "    provider: openai\n",
      "    provider: openai\n    renamed-from: openai\n",
    ),
    expected: [
      'systems/shop.yaml:27:19: secrets.openai.renamed-from is "openai": write the entry\'s former name, or remove it',
    ],
  },
];
