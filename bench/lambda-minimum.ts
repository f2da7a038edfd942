/**
 * What bench/lambdas.ts holds the functions against: the least that one which signs requests, asks Vault over TLS and
 * speaks to Postgres has to load.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { Agent as SecureAgent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import pg from "pg";

export const handler = async (): Promise<unknown[]> => [
  ...[createHash, createHmac, pbkdf2Sync, randomBytes, readFileSync, Agent, request, SecureAgent],
  ...[sleep, AwsV4Signer, pg.Client],
];
