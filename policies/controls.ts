/** A published control, or one of our requirements, that a rule answers for. */
export type Control =
  /** AWS Foundations Benchmark v4.0.1. */
  | `CIS-AWS-4.0.1/${string}`
  /** CIS Kubernetes Benchmark v1.9. */
  | `CIS-Kubernetes-1.9/${string}`
  /** Security and Privacy Controls, revision 5. */
  | `NIST-800-53r5/${string}`
  /** Recommendation for Key Management, part 1, revision 5. */
  | `NIST-800-57p1r5/${string}`
  /** Secrets Management Cheat Sheet, by section. */
  | `OWASP-Secrets/${string}`
  /** Requirement of this platform. */
  | `R${number}`;
