// Dependencies point one way: cli → operations, infra, policies, lambdas, local → clients, model.
const rooms = ["model", "clients", "infra", "policies", "operations", "lambdas", "local", "cli"];
const may = {
  model: [],
  clients: [],
  infra: ["model"],
  policies: ["model"],
  operations: ["model", "clients"],
  lambdas: ["model", "clients", "operations"],
  local: ["model", "clients", "infra", "policies", "operations", "lambdas"],
  cli: rooms,
};

export default {
  forbidden: [
    {
      name: "no-cycle",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    ...rooms.map((room) => ({
      name: `${room}-imports-only-${["itself", ...may[room]].join("-")}`,
      severity: "error",
      from: { path: `^${room}/` },
      to: {
        path: `^(${[...rooms, "test", "bench"].filter((r) => r !== room && !may[room].includes(r)).join("|")})/`,
      },
    })),
    {
      name: "model-is-pure",
      comment: "The model loads and derives: no engine, no network, no processes.",
      severity: "error",
      from: { path: "^model/" },
      to: {
        path: "^(node:)?(http|https|http2|net|tls|dgram|dns|child_process|worker_threads)$|node_modules/(@pulumi|undici|pg|@grpc)/",
      },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { conditionNames: ["import", "node", "default"] },
  },
};
