import { type Detector, endOf } from "../detector.ts";
import { entropy } from "../randomness.ts";

const key = /(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{43,88}={0,2})/y;
const signature = /sig=([A-Za-z0-9%+/]{40,70}(?:%3D|=)?)/y;

/** Keys of Azure's storage, service bus and other connection strings, and signatures of shared access. */
export const azureKeys: readonly Detector[] = [
  {
    kind: {
      id: "azure-key",
      what: "an Azure account key",
      revoke: "regenerate it under Access keys, one after the other",
    },
    anchors: ["AccountKey=", "SharedAccessKey="],
    find: (text, at) => group(key, text, at),
  },
  {
    kind: {
      id: "azure-signature",
      what: "an Azure shared access signature",
      revoke: "rotate the key that signed it",
    },
    anchors: ["sig="],
    find(text, at) {
      const around = text.slice(Math.max(0, at - 300), at + 300);
      return /[?&](?:sv|se|sp|sr|skn)=/.test(around) ? group(signature, text, at) : undefined;
    },
  },
];

function group(expression: RegExp, text: string, at: number) {
  const end = endOf(expression, text, at);
  if (end < 0) return undefined;
  const start = text.indexOf("=", at) + 1;
  return entropy(text.slice(start, end)) < 3.5 ? undefined : { start, end };
}
