/** Loaded before every test file, as `keyplane` begins: the SDK's import is half of what a small test costs. */
import { loadSdkLazily } from "../local/lazy-sdk.ts";

loadSdkLazily();
