import { isPlaceholder } from "../placeholder.ts";
import { secrecyOf } from "../secret-name.ts";

/**
 * Whether a setting gives a secret's name a value of its own, rather than naming where it comes from: a variable, a
 * file, an expression. The default of a variable is one: `${DB_PASSWORD:-hunter2}`.
 */
export function isInlineSecret(name: string, value: string): boolean {
  if (secrecyOf(name) === "none" || /_FILE(?:__\w+)?$/i.test(name)) return false;
  const text = value.trim();
  if (text === "" || /^(?:true|false|null|none|~|\d{1,5})$/i.test(text)) return false;
  const [, fallback] = /^\$\{[A-Za-z_]\w*:?[-?+]([^}]*)\}$/.exec(text) ?? [];
  if (fallback !== undefined)
    return /^\$\{[A-Za-z_]\w*:?-/.test(text) && fallback !== "" && !isElsewhere(fallback);
  return !isElsewhere(text);
}

function isElsewhere(value: string): boolean {
  return (
    /^\$|\$\{|\{\{|^<.*>$|^\/(?:run|var|etc|vault|secrets|mnt)\//.test(value) ||
    /^(?:vault|op|ssm|arn|ref\+\w+):/.test(value) ||
    isPlaceholder(value)
  );
}
