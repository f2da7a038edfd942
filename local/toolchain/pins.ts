/**
 * What Keyplane runs beside Node: exact versions, where the official binaries are, and how to build them.
 *
 * The SHA-256 of each official file was found in at least two independent public places that publish the
 * vendor's own list of checksums (for Vault, HashiCorp's Homebrew tap is one of them), except Pulumi's for
 * darwin, found in one whose values for Linux agree with the others. None could be compared with the vendor's
 * server from the machine that wrote this; a wrong one is refused and the tool is built instead.
 * A platform without a checksum here is never downloaded. README.md says how to change a pin.
 */
import { join } from "node:path";
import type { Download, ToolPackage } from "./package.ts";

export type ToolName =
  | "pulumi"
  | "vault"
  | "sops"
  | "age"
  | "age-keygen"
  | "etcd"
  | "kube-apiserver"
  | "nats-server"
  | "minio"
  | "actionlint";

const modules = import.meta.dirname;

function pulumi(system: string, sha256: string): Download {
  return {
    url: `https://get.pulumi.com/releases/sdk/pulumi-v3.255.0-${system}.tar.gz`,
    sha256,
    format: "tar.gz",
    members: { pulumi: "pulumi/pulumi" },
  };
}

function vault(system: string, sha256: string): Download {
  return {
    url: `https://releases.hashicorp.com/vault/1.21.1/vault_1.21.1_${system}.zip`,
    sha256,
    format: "zip",
    members: { vault: "vault" },
  };
}

function sops(system: string, sha256: string): Download {
  return {
    url: `https://github.com/getsops/sops/releases/download/v3.13.3/sops-v3.13.3.${system}`,
    sha256,
    format: "executable",
    members: { sops: "sops" },
  };
}

function age(system: string, sha256: string): Download {
  return {
    url: `https://github.com/FiloSottile/age/releases/download/v1.3.1/age-v1.3.1-${system}.tar.gz`,
    sha256,
    format: "tar.gz",
    members: { age: "age/age", "age-keygen": "age/age-keygen" },
  };
}

export const pins: ToolPackage<ToolName>[] = [
  {
    name: "pulumi",
    version: "3.255.0",
    page: "https://www.pulumi.com/docs/iac/download-install/versions/",
    executables: { pulumi: ["version"] },
    downloads: {
      "linux-amd64": pulumi("linux-x64", "cf559568e2c32f7fae56ea3de8ae5fa48973ba8c5aa9dd2b3dc0c8898fe50dba"),
      "linux-arm64": pulumi(
        "linux-arm64",
        "699fbc6ea848d997e9b3645487f108d27b1b55ec807c7576406131e6e080f0e3",
      ),
      "darwin-amd64": pulumi(
        "darwin-x64",
        "19672db74cd9158ebde97877224c6cd18def1c8024340378e3208f6ad6539200",
      ),
      "darwin-arm64": pulumi(
        "darwin-arm64",
        "adc6ae338ec877307869a26f74e5d3acc5fb2f590bfb19d00d50c3c8ed2e91b7",
      ),
    },
    build: {
      folder: join(modules, "pulumi"),
      packages: ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"],
      ldflags: "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.255.0",
      minutes: 4,
    },
  },
  {
    // Later patches do not compile against any published github.com/hashicorp/vault/sdk.
    name: "vault",
    version: "1.21.1",
    page: "https://releases.hashicorp.com/vault/1.21.1/",
    executables: { vault: ["version"] },
    downloads: {
      "linux-amd64": vault("linux_amd64", "4088617653eba4ea341b6166130239fcbe42edc7839c7f7c6209d280948769c7"),
      "linux-arm64": vault("linux_arm64", "f83f541e4293289bf1cc3f1e62e41a29a9ce20aeb9a152ada2b00ca42e7e856d"),
      "darwin-amd64": vault(
        "darwin_amd64",
        "d33bb27a0ad194e79c2bed9cad198a1f1319d8ca68bc6c4e6f68212c734cda09",
      ),
      "darwin-arm64": vault(
        "darwin_arm64",
        "add728e2ca2101826de030b4da6de77cee5a61f3c9cde74f5628d63332bea0ab",
      ),
    },
    build: {
      folder: join(modules, "vault"),
      packages: ["github.com/hashicorp/vault"],
      ldflags: "-s -w",
      minutes: 10,
    },
  },
  {
    name: "sops",
    version: "3.13.3",
    page: "https://github.com/getsops/sops/releases/tag/v3.13.3",
    executables: { sops: ["--version", "--disable-version-check"] },
    downloads: {
      "linux-amd64": sops("linux.amd64", "e5bec3346a873ae91d871550f3e698c1aad962aff462a080e40f25fde17fef6b"),
      "linux-arm64": sops("linux.arm64", "53b0abacd38ef1b12a66d6c100956691b9cefce018d91f81e73ddf7438b94d77"),
      "darwin-amd64": sops(
        "darwin.amd64",
        "42162d5cef10b74fcf80a045a70e658d7ce6e63d6ea1be6f347e44015714468d",
      ),
      "darwin-arm64": sops(
        "darwin.arm64",
        "b97c0d434aab577dc40310e8d22ff9e45eef4c80638ab978daae9b4681c59286",
      ),
    },
    build: {
      folder: join(modules, "sops"),
      packages: ["github.com/getsops/sops/v3/cmd/sops"],
      ldflags: "-s -w",
      minutes: 1,
    },
  },
  {
    name: "age",
    version: "1.3.1",
    page: "https://github.com/FiloSottile/age/releases/tag/v1.3.1",
    executables: { age: ["--version"], "age-keygen": ["--version"] },
    downloads: {
      "linux-amd64": age("linux-amd64", "bdc69c09cbdd6cf8b1f333d372a1f58247b3a33146406333e30c0f26e8f51377"),
      "linux-arm64": age("linux-arm64", "c6878a324421b69e3e20b00ba17c04bc5c6dab0030cfe55bf8f68fa8d9e9093a"),
      "darwin-amd64": age("darwin-amd64", "2b233301ad21ab7b1eabd9ae1198a164005fa4928fcdd745d47c39f8593209d7"),
      "darwin-arm64": age("darwin-arm64", "01120ea2cbf0463d4c6bd767f99f3271bbed1cdc8a9aa718a76ba1fe4f01998b"),
    },
    build: {
      folder: join(modules, "age"),
      packages: ["filippo.io/age/cmd/age", "filippo.io/age/cmd/age-keygen"],
      ldflags: "-s -w",
      minutes: 1,
    },
  },
  // Kubernetes' API, where it is asked for: nothing that `keyplane up` needs by itself.
  {
    name: "etcd",
    version: "3.6.7",
    page: "https://github.com/etcd-io/etcd/releases/tag/v3.6.7",
    executables: { etcd: ["--version"] },
    downloads: {},
    build: {
      folder: join(modules, "etcd"),
      packages: ["keyplane.dev/toolchain/etcd"],
      ldflags: "-s -w",
      minutes: 1,
    },
  },
  {
    name: "kube-apiserver",
    version: "1.36.3",
    page: "https://kubernetes.io/releases/download/#binaries",
    executables: { "kube-apiserver": ["--version"] },
    downloads: {},
    build: {
      folder: join(modules, "kube-apiserver"),
      packages: ["k8s.io/kubernetes/cmd/kube-apiserver"],
      ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3",
      minutes: 4,
    },
  },
  // For the tests of rotation; nothing that `keyplane up` needs.
  {
    name: "nats-server",
    version: "2.15.2",
    page: "https://github.com/nats-io/nats-server/releases/tag/v2.15.2",
    executables: { "nats-server": ["--version"] },
    downloads: {},
    build: {
      folder: join(modules, "nats-server"),
      packages: ["github.com/nats-io/nats-server/v2"],
      ldflags: "-s -w",
      minutes: 1,
    },
  },
  // Its repository is archived, with no release of its last commit: the version is its module's.
  {
    name: "minio",
    version: "0.0.0-20260212201848-7aac2a2c5b7c",
    page: "https://github.com/minio/minio/tree/7aac2a2c5b7c",
    executables: { minio: ["--version"] },
    downloads: {},
    build: {
      folder: join(modules, "minio"),
      packages: ["github.com/minio/minio"],
      ldflags:
        "-s -w -X github.com/minio/minio/cmd.ReleaseTag=v0.0.0-20260212201848-7aac2a2c5b7c " +
        "-X github.com/minio/minio/cmd.CommitID=7aac2a2c5b7c",
      minutes: 3,
    },
  },
  // For the tests of the workflows.
  {
    name: "actionlint",
    version: "1.7.12",
    page: "https://github.com/rhysd/actionlint/releases/tag/v1.7.12",
    executables: { actionlint: ["-version"] },
    downloads: {},
    build: {
      folder: join(modules, "actionlint"),
      packages: ["github.com/rhysd/actionlint/cmd/actionlint"],
      ldflags: "-s -w",
      minutes: 1,
    },
  },
];

/** The version in which a tool is had. */
export function versionOf(tool: ToolName): string {
  const pin = pins.find(({ name }) => name === tool);
  if (pin === undefined) throw new Error(`no tool ${tool} is pinned`);
  return pin.version;
}
