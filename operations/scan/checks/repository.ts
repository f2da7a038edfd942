/** A repository as a check sees it. */
export interface Repository {
  root: string;
  /** Every tracked file, with "/". */
  paths: readonly string[];
  /** A tracked file's text, as the scan sees it; nothing where it is gone. */
  read(path: string): Promise<string | undefined>;
}
