import type { Format } from "./format.ts";

/** Where code is kept, built and published. */
export const codeHosts: readonly Format[] = [
  {
    kind: {
      id: "github-token",
      what: "a GitHub token",
      revoke: "revoke it under Settings, Developer settings",
    },
    prefixes: ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
    body: /[A-Za-z0-9]{36,76}/,
  },
  {
    kind: {
      id: "github-fine-grained-token",
      what: "a fine-grained GitHub token",
      revoke: "revoke it under Settings, Developer settings",
    },
    prefixes: ["github_pat_"],
    body: /[A-Za-z0-9_]{82}/,
  },
  {
    kind: { id: "gitlab-token", what: "a GitLab token", revoke: "revoke it under Access tokens" },
    prefixes: [
      "glpat-",
      "gloas-",
      "gldt-",
      "glrt-",
      "glrtr-",
      "glcbt-",
      "glptt-",
      "glft-",
      "glimt-",
      "glagent-",
      "glsoat-",
      "glffct-",
      "GR1348941",
    ],
    body: /[\w-]{20,300}(?:\.[0-9a-z]{2}[0-9a-z]{7})?/,
  },
  {
    kind: {
      id: "bitbucket-token",
      what: "a Bitbucket token",
      revoke: "revoke it under Personal settings, App passwords",
    },
    prefixes: ["ATBB", "ATCTT3"],
    body: /[A-Za-z0-9_=-]{28,200}/,
    entropy: 3.3,
  },
  {
    kind: {
      id: "atlassian-token",
      what: "an Atlassian API token",
      revoke: "revoke it under Account, Security",
    },
    prefixes: ["ATATT3"],
    body: /[\w=-]{60,250}/,
  },
  {
    kind: { id: "npm-token", what: "an npm token", revoke: "delete it with npm token revoke" },
    prefixes: ["npm_"],
    body: /[A-Za-z0-9]{36}/,
  },
  {
    kind: { id: "pypi-token", what: "a PyPI token", revoke: "remove it under Account settings, API tokens" },
    prefixes: ["pypi-AgEIcHlwaS5vcmc", "pypi-AgENdGVzdC5weXBpLm9yZw"],
    body: /[\w-]{50,1000}/,
  },
  {
    kind: { id: "rubygems-key", what: "a RubyGems key", revoke: "delete it under Settings, API keys" },
    prefixes: ["rubygems_"],
    body: /[a-f0-9]{48}/,
  },
  {
    kind: { id: "crates-io-token", what: "a crates.io token", revoke: "revoke it under Account settings" },
    prefixes: ["cio"],
    body: /[A-Za-z0-9]{32}/,
    entropy: 3.6,
  },
  {
    kind: { id: "clojars-token", what: "a Clojars token", revoke: "disable it under Deploy tokens" },
    prefixes: ["CLOJARS_"],
    body: /[a-z0-9]{60}/i,
  },
  {
    kind: { id: "nuget-key", what: "a NuGet key", revoke: "delete it under API keys" },
    prefixes: ["oy2"],
    body: /[a-z0-9]{43}/,
    entropy: 3.6,
  },
  {
    kind: {
      id: "docker-token",
      what: "a Docker Hub token",
      revoke: "delete it under Account settings, Security",
    },
    prefixes: ["dckr_pat_", "dckr_oat_"],
    body: /[\w-]{27,32}/,
  },
  {
    kind: { id: "artifactory-key", what: "an Artifactory key", revoke: "revoke it in Artifactory" },
    prefixes: ["AKCp"],
    body: /[A-Za-z0-9]{59,69}/,
  },
  {
    kind: {
      id: "artifactory-reference-token",
      what: "an Artifactory reference token",
      revoke: "revoke it in Artifactory",
    },
    prefixes: ["cmVmd"],
    body: /[A-Za-z0-9]{59}/,
    entropy: 4,
  },
  {
    kind: { id: "sonar-token", what: "a SonarQube token", revoke: "revoke it under Account, Security" },
    prefixes: ["squ_", "sqp_", "sqa_"],
    body: /[a-z0-9]{40}/,
  },
  {
    kind: { id: "sentry-token", what: "a Sentry token", revoke: "revoke it under Auth tokens" },
    prefixes: ["sntryu_", "sntrys_"],
    body: /[A-Za-z0-9+/=_]{60,500}/,
  },
  {
    kind: { id: "sourcegraph-token", what: "a Sourcegraph token", revoke: "delete it under Access tokens" },
    prefixes: ["sgp_"],
    body: /(?:(?:[a-fA-F0-9]{16}|local)_)?[a-fA-F0-9]{40}/,
  },
  {
    kind: { id: "postman-key", what: "a Postman API key", revoke: "delete it under Settings, API keys" },
    prefixes: ["PMAK-"],
    body: /[a-f0-9]{24}-[a-f0-9]{34}/i,
  },
  {
    kind: { id: "prefect-token", what: "a Prefect API key", revoke: "delete it under API keys" },
    prefixes: ["pnu_"],
    body: /[A-Za-z0-9]{36}/,
  },
  {
    kind: {
      id: "octopus-key",
      what: "an Octopus Deploy API key",
      revoke: "revoke it in the profile, My API keys",
    },
    prefixes: ["API-"],
    body: /[A-Z0-9]{26}/,
    entropy: 3.3,
  },
  {
    kind: { id: "linear-key", what: "a Linear key", revoke: "revoke it under Settings, API" },
    prefixes: ["lin_api_", "lin_oauth_"],
    body: /[A-Za-z0-9]{32,64}/,
  },
  {
    kind: { id: "figma-token", what: "a Figma token", revoke: "revoke it under Settings, Security" },
    prefixes: ["figd_", "figo_"],
    body: /[\w-]{40,200}/,
  },
  {
    kind: { id: "readme-key", what: "a ReadMe key", revoke: "delete it under API keys" },
    prefixes: ["rdme_"],
    body: /[a-z0-9]{70}/,
  },
  {
    kind: { id: "grafana-token", what: "a Grafana token", revoke: "delete it under Service accounts" },
    prefixes: ["glsa_", "glc_"],
    body: /[A-Za-z0-9+/]{32,400}(?:_[A-Fa-f0-9]{8})?={0,3}/,
  },
  {
    kind: { id: "grafana-key", what: "a Grafana API key", revoke: "delete it under API keys" },
    prefixes: ["eyJrIjoi"],
    body: /[A-Za-z0-9]{50,400}={0,3}/,
  },
  {
    kind: { id: "new-relic-key", what: "a New Relic key", revoke: "delete it under API keys" },
    prefixes: ["NRAK-", "NRJS-", "NRII-", "NRRA-"],
    body: /[A-Za-z0-9-]{19,42}/,
  },
  {
    kind: { id: "dynatrace-token", what: "a Dynatrace token", revoke: "delete it under Access tokens" },
    prefixes: ["dt0c01.", "dt0s01.", "dt0s02.", "dt0s16."],
    body: /[A-Za-z0-9]{8,24}\.[A-Za-z0-9]{64}/,
  },
  {
    kind: { id: "harness-token", what: "a Harness token", revoke: "delete it under API keys" },
    prefixes: ["pat.", "sat."],
    body: /[\w-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}/,
  },
  {
    kind: { id: "infracost-key", what: "an Infracost key", revoke: "rotate it under Org settings" },
    prefixes: ["ico-"],
    body: /[A-Za-z0-9]{32}/,
  },
  {
    kind: {
      id: "adobe-secret",
      what: "an Adobe client secret",
      revoke: "rotate it in the developer console",
    },
    prefixes: ["p8e-"],
    body: /[A-Za-z0-9]{32}/,
  },
];
