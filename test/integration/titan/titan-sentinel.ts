/** Reads its keys once, at its start. */
import { listen, readKeys } from "./listener.ts";

const keys = readKeys();
listen(() => keys);
