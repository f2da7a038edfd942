export interface Retired {
  since: string;
  reason: string;
  /** Set by a later, explicit change: only then may the data go. */
  delete: boolean;
}
