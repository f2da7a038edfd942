/** One version of something that brings one or more executables, and the ways to get it. */
export interface ToolPackage<Name extends string = string> {
  /** Also the first part of its folder in the cache. */
  name: string;
  version: string;
  /** Where people get it themselves. */
  page: string;
  /** Each executable with the arguments that make it print its version. */
  executables: Partial<Record<Name, string[]>>;
  /** By platform; one that is missing is not downloaded. */
  downloads: Partial<Record<string, Download>>;
  build: Build;
}

export interface Download {
  url: string;
  /** Of the whole file, in lower-case hexadecimal. */
  sha256: string;
  format: "tar.gz" | "zip" | "executable";
  /** Where each executable lies in the archive. */
  members: Record<string, string>;
}

export interface Build {
  /** Absolute path of the folder with the go.mod and go.sum that pin it. */
  folder: string;
  packages: string[];
  ldflags: string;
  /** Roughly how long it takes from an empty build cache on two cores. */
  minutes: number;
}

/** The platform as Go and the vendors name it, e.g. "linux-amd64". */
export function platformOf(system: string, architecture: string): string {
  return `${system}-${architecture === "x64" ? "amd64" : architecture}`;
}
