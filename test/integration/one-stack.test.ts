// What asks a stack and leaves its configuration as it is shares one, a file after the other: to bring one up takes
// twenty seconds of a processor. Each names what it needs of what the others leave: Postgres' users are ended first.
import "./one-stack/approle.ts";
import "./one-stack/oidc.ts";
import "./one-stack/postgres.ts";
// Last: it changes a value by hand.
import "./one-stack/consumer-paths.ts";
