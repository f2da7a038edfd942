const unit = { h: 3600, m: 60, s: 1 } as const;

/** Seconds of a duration as Go writes it ("1h30m0s", "90s") or of a plain number of seconds ("90"). */
export function seconds(duration: string): number {
  if (/^\d+$/.test(duration)) return Number(duration);
  let total = 0;
  let rest = duration;
  for (const letter of ["h", "m", "s"] as const) {
    const part = new RegExp(`^(\\d+)${letter}`).exec(rest);
    if (part === null) continue;
    total += Number(part[1]) * unit[letter];
    rest = rest.slice(part[0].length);
  }
  if (rest !== "" || duration === "")
    throw new Error(`"${duration}" is not a duration such as 90s, 15m or 1h30m`);
  return total;
}

/** A duration as the official provider's state has it: Go's text without trailing zero units ("15m", "1h"). */
export function shortest(total: number): string {
  const parts = [
    [Math.floor(total / 3600), "h"],
    [Math.floor((total % 3600) / 60), "m"],
    [total % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return "0s";
  const last = parts.findLastIndex(([count]) => count > 0);
  return parts
    .slice(first, last + 1)
    .map(([count, letter]) => `${count}${letter}`)
    .join("");
}
