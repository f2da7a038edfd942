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
 * @param patience milliseconds until nobody is taken to answer
 * @throws TargetUnavailableError where nobody answers
 */
export async function isLetIn(
  server: string,
  { user, password }: { user: string; password: string },
  patience = 10_000,
): Promise<boolean> {
  let connection: NatsConnection;
  try {
    connection = await connect({
      servers: server,
      user,
      pass: password,
      name: "keyplane",
      reconnect: false,
      timeout: patience,
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
