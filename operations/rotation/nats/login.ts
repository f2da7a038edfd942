import {
  AuthorizationError,
  connect,
  type NatsConnection,
  UserAuthenticationExpiredError,
} from "@nats-io/transport-node";
import { TargetUnavailableError } from "../rotator.ts";

/**
 * Whether a server lets a user in, by logging in and out again.
 * @param server nats:// or tls:// URL; over tls:// nothing is sent to a server that cannot show its certificate
 * @throws TargetUnavailableError where nobody answers
 */
export async function isLetIn(
  server: string,
  { user, password }: { user: string; password: string },
): Promise<boolean> {
  let connection: NatsConnection;
  try {
    connection = await connect({
      servers: server,
      user,
      pass: password,
      name: "keyplane",
      reconnect: false,
      timeout: 10_000,
      ignoreClusterUpdates: true,
      ...(server.startsWith("tls://") && { tls: {} }),
    });
  } catch (error) {
    if (error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError) return false;
    const reason = error instanceof Error ? error.name : "unknown";
    throw new TargetUnavailableError(`nats-server at ${new URL(server).host} does not answer (${reason})`);
  }
  await connection.close();
  return true;
}
