import type { Declared } from "../../policies/resource.ts";
import type { Props, Resource, StackRule } from "../../policies/rule.ts";

/** What a rule read of one resource: a mutation of anything else it cannot see, so it says what it said before. */
export class LookedAt {
  readonly #read = new Set<Place>();
  /** It asked which properties there are, so any other one is seen. */
  #listed = false;

  note(place: Place): void {
    this.#read.add(place);
  }

  noteAll(): void {
    this.#listed = true;
  }

  meets(changed: readonly Place[]): boolean {
    return changed.some((place) => this.#read.has(place) || (this.#listed && typeof place === "string"));
  }
}

/** The name of a property, or what else a resource consists of. */
type Place = string | typeof kind | typeof protection;
const kind: unique symbol = Symbol("type");
const protection: unique symbol = Symbol("protect");

/**
 * Has a rule judge a program, and says what it read of each resource, in their order. Every rule is shown objects of its
 * own, so that what another rule has kept of the same ones hides nothing.
 */
export function lookedAt(rule: StackRule, resources: readonly Resource[]): LookedAt[] {
  const notes = resources.map(() => new LookedAt());
  const watched = resources.map((resource, index) => watch(resource, notes[index] as LookedAt));
  const found = [...rule.judgeStack(watched)];
  if (found.length > 0) throw new Error(`${rule.name} reports the shipped program: ${found[0]?.message}`);
  return notes;
}

/** What a mutant differs in. */
export function changes(before: Declared, after: Declared): Place[] {
  const names = new Set([...Object.keys(before.inputs), ...Object.keys(after.inputs)]);
  return [
    ...[...names].filter((name) => before.inputs[name] !== after.inputs[name]),
    ...(before.type === after.type ? [] : ([kind] as const)),
    ...(before.protect === after.protect ? [] : ([protection] as const)),
  ];
}

function watch(resource: Resource, seen: LookedAt): Resource {
  const props = new Proxy<Props>(resource.props, {
    get(target, name) {
      if (typeof name === "string") seen.note(name);
      return Reflect.get(target, name);
    },
    has(target, name) {
      if (typeof name === "string") seen.note(name);
      return Reflect.has(target, name);
    },
    getOwnPropertyDescriptor(target, name) {
      if (typeof name === "string") seen.note(name);
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
    ownKeys(target) {
      seen.noteAll();
      return Reflect.ownKeys(target);
    },
  });
  return new Proxy<Resource>(
    { ...resource, props },
    {
      get(target, name) {
        if (name === "type") seen.note(kind);
        if (name === "protect") seen.note(protection);
        return Reflect.get(target, name);
      },
      ownKeys(target) {
        seen.note(kind);
        seen.note(protection);
        return Reflect.ownKeys(target);
      },
    },
  );
}
