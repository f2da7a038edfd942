import type { Pattern } from "./canary-search.ts";

/** What is a credential by its form alone: found also where no test has planted it. */
export const patterns: Pattern[] = [
  { name: "Vault token", matches: /\bhv[sbr]\.[A-Za-z0-9_-]{20,}/ },
  { name: "signed JWT", matches: /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{8,}/ },
  {
    // With what follows its header: code that reads such keys (a function's bundle) names the header alone.
    name: "private key",
    matches: /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\s|\\+[nr])*[A-Za-z0-9+/]{16}/,
    allowed: /^home\/tls\//,
  },
  { name: "age key", matches: /\bAGE-SECRET-KEY-1[A-Z0-9]{20,}/ },
  { name: "second factor", matches: /otpauth:\/\/[^\s"]*secret=[A-Z2-7]{8,}/ },
  {
    name: "address with a password",
    matches: /\b[a-z][a-z0-9+]*:\/\/[A-Za-z0-9._-]+:(?![{%*$[<])[^\s:@/"'`{}]+@/,
  },
];
