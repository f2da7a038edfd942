import { createServer } from "node:net";
import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import plugins from "@pulumi/pulumi/proto/plugin_pb.js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import empties from "google-protobuf/google/protobuf/empty_pb.js";
import structs, { type Struct } from "google-protobuf/google/protobuf/struct_pb.js";
import type { Properties } from "./fields.ts";
import { isOf } from "./peer.ts";
import type { Provider } from "./provider.ts";

const { ResourceProviderService } = services;
const { DiffResponse, PropertyDiff } = messages;

/**
 * Puts a provider on a free port of 127.0.0.1, where the engine attaches to it (PULUMI_DEBUG_PROVIDERS). Whoever
 * calls it acts with its token, so a connection of another user than `uid` is closed unread.
 */
export async function serve(
  provider: Provider<unknown>,
  version: string,
  uid: number | undefined = process.getuid?.(),
): Promise<{ port: number; close(): Promise<void> }> {
  const server = new Server();
  server.addService(ResourceProviderService, methods(provider, version));
  const calls = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((socket) => {
    if (uid === undefined || isOf(uid, socket)) calls.injectConnection(socket);
    else socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const address = listener.address();
  return {
    port: address !== null && typeof address === "object" ? address.port : 0,
    close: async () => {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      server.forceShutdown();
      await closed;
    },
  };
}

function methods(provider: Provider<unknown>, version: string): UntypedServiceImplementation {
  return {
    handshake: answer(() => new messages.ProviderHandshakeResponse()),
    attach: answer(() => new empties.Empty()),
    cancel: answer(() => new empties.Empty()),
    getPluginInfo: answer(() => new plugins.PluginInfo().setVersion(version)),
    getSchema: answer(() => new messages.GetSchemaResponse().setSchema("{}")),
    checkConfig: answer((request: messages.CheckRequest) =>
      new messages.CheckResponse().setInputs(request.getNews()),
    ),
    diffConfig: answer(() => new DiffResponse().setChanges(DiffResponse.DiffChanges.DIFF_NONE)),
    // Secrets and outputs are not accepted as wrapped values: the engine unwraps them for us and marks what
    // comes back under the same names again.
    configure: answer(() => new messages.ConfigureResponse().setSupportspreview(true)),
    check: answer((request: messages.CheckRequest) => {
      const failures = provider.check(typeOf(request), plain(request.getNews()));
      return new messages.CheckResponse()
        .setInputs(request.getNews())
        .setFailuresList(
          failures.map(({ property, reason }) =>
            new messages.CheckFailure().setProperty(property).setReason(reason),
          ),
        );
    }),
    diff: answer((request: messages.DiffRequest) => {
      const { changed, replaced } = provider.diff(
        typeOf(request),
        plain(request.getOldInputs()),
        plain(request.getOlds()),
        plain(request.getNews()),
      );
      const response = new DiffResponse()
        .setChanges(
          changed.length > 0 ? DiffResponse.DiffChanges.DIFF_SOME : DiffResponse.DiffChanges.DIFF_NONE,
        )
        .setDiffsList([...new Set(changed.map(topOf))])
        .setReplacesList([...new Set(replaced.map(topOf))])
        // A name is the identity: the old one must be gone before the new one can take its place.
        .setDeletebeforereplace(replaced.length > 0)
        .setHasdetaileddiff(true);
      for (const path of changed) {
        const kind = replaced.includes(path) ? PropertyDiff.Kind.UPDATE_REPLACE : PropertyDiff.Kind.UPDATE;
        response.getDetaileddiffMap().set(path, new PropertyDiff().setKind(kind));
      }
      return response;
    }),
    create: answer(async (request: messages.CreateRequest) => {
      const inputs = plain(request.getProperties());
      if (request.getPreview()) {
        return new messages.CreateResponse().setProperties(struct(provider.preview(typeOf(request), inputs)));
      }
      const { id, outputs } = await provider.create(typeOf(request), inputs);
      return new messages.CreateResponse().setId(id).setProperties(struct(outputs));
    }),
    read: answer(async (request: messages.ReadRequest) => {
      const live = await provider.read(
        typeOf(request),
        request.getId(),
        plain(request.getProperties()),
        plain(request.getInputs()),
      );
      if (live === undefined) return new messages.ReadResponse();
      return new messages.ReadResponse()
        .setId(live.id)
        .setProperties(struct(live.outputs))
        .setInputs(struct(live.inputs));
    }),
    update: answer(async (request: messages.UpdateRequest) => {
      const olds = plain(request.getOlds());
      const news = plain(request.getNews());
      const outputs = request.getPreview()
        ? { ...olds, ...news }
        : await provider.update(typeOf(request), request.getId(), plain(request.getOldInputs()), olds, news);
      return new messages.UpdateResponse().setProperties(struct(outputs));
    }),
    delete: answer(async (request: messages.DeleteRequest) => {
      await provider.delete(typeOf(request), request.getId(), plain(request.getProperties()));
      return new empties.Empty();
    }),
  };
}

/** One call: what is thrown becomes the status that the engine prints. */
function answer<Request, Response>(
  respond: (request: Request) => Response | Promise<Response>,
): handleUnaryCall<Request, Response> {
  return async ({ request }, callback) => {
    try {
      callback(null, await respond(request));
    } catch (error) {
      const failure: Partial<ServiceError> = {
        code: status.UNKNOWN,
        details: error instanceof Error ? error.message : String(error),
      };
      callback(failure);
    }
  };
}

function plain(value: Struct | undefined): Properties {
  return (value?.toJavaScript() ?? {}) as Properties;
}

function struct(properties: Properties): Struct {
  return structs.Struct.fromJavaScript(properties);
}

/** The resource type in a URN: urn:pulumi:stack::project::[parent$]type::name */
function typeOf(request: { getUrn(): string }): string {
  const qualified = request.getUrn().split("::")[2] ?? "";
  return qualified.slice(qualified.lastIndexOf("$") + 1);
}

function topOf(path: string): string {
  return path.split(".")[0] ?? path;
}
