import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { organization, shop } from "../../model/shop.ts";

/**
 * A small catalogue with what a crash may leave half-made: a database with a dynamic and a static user, an encryption
 * key, a person with a second factor, a CI job, secrets. Each change puts others in the place of some of them.
 */
export interface ChangingCatalogue extends AsyncDisposable {
  folder: string;
  change(): Promise<void>;
}

export async function changingCatalogue(): Promise<ChangingCatalogue> {
  const folder = await mkdtemp(join(tmpdir(), "keyplane-changing-"));
  await mkdir(join(folder, "systems"));
  let changes = 0;
  const change = async () => {
    const n = ++changes;
    await writeFile(
      join(folder, "organization.yaml"),
      after(organization, "people:", `  guest-${n}: { email: guest-${n}@acme.example, groups: [platform] }`),
    );
    const services = ["cart", "till"].map(
      (name) => `  ${name}-${n}: { runs-on: compose, user: 1000, reload: restart }`,
    );
    const secret = `  cart-${n}: { class: critical, kind: password, rotate: { every: 30d }, impact: Carts close, consumers: { cart-${n}: { role: listener, as: { CART_FILE: password } } } }`;
    const users = [
      `      cart-${n}: { member-of: orders_reader, ttl: 15m }`,
      `      till-${n}: { member-of: orders_reader, rotate: { every: 30d, method: alternating }, as: { TILL_FILE: password } }`,
    ];
    const system = after(after(shop, "services:", services.join("\n")), "secrets:", secret);
    await writeFile(join(folder, "systems", "shop.yaml"), after(system, "    users:", users.join("\n")));
  };
  await change();
  return { folder, change, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** A text with more lines behind one of its lines. */
function after(text: string, line: string, more: string): string {
  if (!text.includes(`${line}\n`)) throw new Error(`no line "${line}"`);
  return text.replace(`${line}\n`, `${line}\n${more}\n`);
}
