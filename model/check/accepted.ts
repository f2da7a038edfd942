import type { Path } from "../load/node.ts";
import type { ConsumerEntry, SecretEntry } from "../schema/secret.ts";
import type { Subject } from "./subject.ts";

/**
 * What nobody issues is worth what somebody checks it against: who checks has to get the new value too, before those who
 * show it. Else a rotation takes the working one away from everybody and keeps one that opens nothing (R27).
 */
export function checkAccepted({ file }: Subject, place: Path, entry: SecretEntry): void {
  const { kind, provider, rotate, retired } = entry;
  const accepts = acceptedBy[kind];
  // A store's key that its provider's API makes is checked there.
  const isIssued = kind === "s3" && provider !== undefined;
  if (accepts === undefined || isIssued || rotate.by === "hand" || retired !== undefined) return;
  const isChecked = Object.values(entry.consumers ?? {}).some(
    (consumer) =>
      consumer?.role === "listener" ||
      (accepts.beside !== undefined && Object.values(consumer?.as ?? {}).includes(accepts.beside)),
  );
  if (!isChecked) {
    file.report(
      [...place, "consumers"],
      `has nobody who checks this ${kind}: ${accepts.fix}, or write rotate: { by: hand }`,
      "key",
    );
  } else if (accepts.beside === undefined && entry.impact === undefined) {
    file.report(
      [...place, "impact"],
      "is missing: one value is accepted at a time, so that clients are refused from the server's restart until " +
        "each runs the new one: say what that does (R32)",
    );
  }
}

const server =
  "name the server that does, with role: listener, as a service that takes it up from its file or variable";

/** Who checks a kind; of one that keeps the value before also whoever reads that, as peers do which show it to each other. */
const acceptedBy: Partial<Record<SecretEntry["kind"], { fix: string; beside?: string }>> = {
  password: { fix: server },
  s3: { fix: server },
  token: {
    beside: "previous",
    fix:
      "name the service that does, with role: listener and the fields token and previous, since whoever shows the old one " +
      "is let in beside the new one",
  },
};

/**
 * Whoever checks a kind that keeps the value before is shown both: the old one until everybody else has the new one, and
 * stored ciphertext until it is re-encrypted. One that reads the new value alone refuses what works (R23, R29).
 */
export function checkBothRead({ file }: Subject, place: Path, entry: SecretEntry): void {
  const before = keepsBefore[entry.kind];
  if (before === undefined || entry.retired !== undefined) return;
  for (const [service, consumer] of Object.entries(entry.consumers ?? {})) {
    if (consumer?.as === undefined || !before.readBy(consumer)) continue;
    const reads = Object.values(consumer.as).some(
      (field) => field === before.field || entry.templates?.[field]?.includes(`{${before.field}}`),
    );
    if (reads) continue;
    file.report(
      [...place, "consumers", service, "as"],
      `has no variable for ${before.field}: give it one beside the others, since ${before.why}`,
      "key",
    );
  }
}

const shown = "a listener is shown the old value until every signer has the new one (R29)";

const keepsBefore: Partial<
  Record<SecretEntry["kind"], { field: string; why: string; readBy(consumer: ConsumerEntry): boolean }>
> = {
  hmac: { field: "secondary", why: shown, readBy: ({ role }) => role === "listener" },
  token: { field: "previous", why: shown, readBy: ({ role }) => role === "listener" },
  fernet: {
    field: "previous",
    why: "what is stored under the old key is read until it is re-encrypted (R23)",
    readBy: () => true,
  },
};
