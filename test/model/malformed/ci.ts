import { change, type Malformed } from "./case.ts";

export const ci: Malformed[] = [
  {
    name: "a job in an unknown environment",
    files: change(
      "systems/shop.yaml",
      "{ workflow: deploy.yml, reads: [signing] }",
      "{ workflow: deploy.yml, reads: [signing], environments: [prod] }",
    ),
    expected: [
      'systems/shop.yaml:5:68: ci.deploy.environments[0] is "prod", which is not an environment: write one of local, production',
    ],
  },
  {
    name: "a variable of a secret that the job does not read",
    files: change(
      "systems/shop.yaml",
      "{ workflow: deploy.yml, reads: [signing] }",
      "{ workflow: deploy.yml, reads: [signing], as: { KEY: openai.key } }",
    ),
    expected: [
      'systems/shop.yaml:5:64: ci.deploy.as.KEY is "openai", which is not a secret that the job reads: write one of signing',
    ],
  },
  {
    name: "a variable of an unknown field",
    files: change(
      "systems/shop.yaml",
      "{ workflow: deploy.yml, reads: [signing] }",
      "{ workflow: deploy.yml, reads: [signing], as: { KEY: signing.key } }",
    ),
    expected: [
      'systems/shop.yaml:5:64: ci.deploy.as.KEY is "key", which is not a field of signing: write one of key-id, primary, secondary',
    ],
  },
  {
    name: "a job that is delivered to a host",
    files: change(
      "systems/shop.yaml",
      "{ workflow: deploy.yml, reads: [signing] }",
      "{ workflow: deploy.yml, reads: [signing], as: { KEY: signing.primary }, deliver: [{ to: env-file, path: .env }] }",
    ),
    expected: [
      'systems/shop.yaml:5:99: ci.deploy.deliver[0].to is "env-file": write github-actions, a job has no other place',
    ],
  },
  {
    name: "a job that is delivered nothing",
    files: change(
      "systems/shop.yaml",
      "{ workflow: deploy.yml, reads: [signing] }",
      "{ workflow: deploy.yml, reads: [signing], deliver: [{ to: github-actions }] }",
    ),
    expected: [
      "systems/shop.yaml:5:53: ci.deploy.deliver delivers nothing: write as: { VARIABLE: SECRET.FIELD } beside it",
    ],
  },
];
