import type { RequestListener } from "node:http";
import { official } from "./fakes.ts";

/** Ways in which a vendor's server fails, with what is said about each. */
export const fakeAnswers: [string, RequestListener, RegExp][] = [
  [
    "has another checksum",
    (_, response) => response.end("#!/bin/sh\n"),
    /its SHA-256 is [0-9a-f]{64}, pinned is [0-9a-f]{64}/,
  ],
  [
    "is cut short of its announced length",
    (_, response) => {
      response.writeHead(200, { "content-length": official.length });
      response.write(official.subarray(0, 10), () => response.destroy());
    },
    /\/gadget: (other side closed|terminated)/,
  ],
  [
    "is cut short without an announced length",
    (_, response) => {
      response.writeHead(200, { connection: "close", "transfer-encoding": "identity" });
      response.end(official.subarray(0, 10));
    },
    /its SHA-256 is .* it was cut short or it is not the official file/,
  ],
  ["is not there", (_, response) => response.writeHead(404).end("no"), /the server answered 404/],
  ["is refused", (_, response) => response.writeHead(503).end(), /the server answered 503/],
  [
    "trickles",
    (_, response) => {
      response.writeHead(200, { "content-length": official.length });
      const timer = setInterval(() => response.write("#"), 100);
      response.on("close", () => clearInterval(timer));
    },
    /too slow: \d+ bytes per second/,
  ],
  [
    "redirects in a circle",
    (_, response) => response.writeHead(302, { location: "/gadget" }).end(),
    /redirect count exceeded/,
  ],
];
