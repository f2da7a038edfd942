import type { Position } from "../../model/catalogue.ts";
import { type Check, called, granted, idle, withVerdict } from "../check.ts";

const commands = { violated: "error", pending: "notice", excepted: "warning" } as const;

/**
 * Workflow commands that GitHub shows beside the lines of a pull request.
 * https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
 */
export function annotations(check: Check): string {
  const found = (["violated", "pending", "excepted"] as const).flatMap((verdict) =>
    withVerdict(check, verdict).map(({ rule, urn, message, position, exception }) => {
      const title = `${rule.name} (${check.environment}, ${verdict})`;
      const then = exception === undefined ? rule.fix : granted(exception);
      return annotation(
        commands[verdict],
        title,
        `${rule.sentence} ${called(urn)}: ${message}. ${then}`,
        position,
      );
    }),
  );
  const others = idle(check).map(({ exception, position }) =>
    annotation("notice", `exception not needed in ${check.environment}`, granted(exception), position),
  );
  return [...found, ...others].join("\n");
}

/** One such command. */
export function annotation(
  command: "error" | "notice" | "warning",
  title: string,
  text: string,
  position?: Position,
): string {
  const properties = {
    ...(position !== undefined && {
      file: position.file,
      line: String(position.line),
      col: String(position.column),
    }),
    title,
  };
  const list = Object.entries(properties).map(([name, value]) => `${name}=${property(value)}`);
  return `::${command} ${list.join(",")}::${data(text)}`;
}

/** What stands after the second "::": a line break would begin another command. */
function data(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(text: string): string {
  return data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
