/** How many of the resources that a dry run would make or change are named; of those to be deleted, all are. */
const longest = 30;

/**
 * What a dry run would do, a line for each resource, what would be deleted first.
 * @param touched `operation type name`, sorted
 */
export function planLines(touched: readonly string[]): string[] {
  const isDeleted = (line: string) => line.startsWith("delete");
  const others = touched.filter((line) => !isDeleted(line));
  const more = others.length - longest;
  return [
    ...touched.filter(isDeleted),
    ...others.slice(0, longest),
    ...(more > 0 ? [`… and ${more} more: --json names all`] : []),
  ].map((line) => `  ${line}`);
}
