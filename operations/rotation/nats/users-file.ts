import { PersonNeededError } from "../rotator.ts";

/** A users file is not as it must be for the engine to write it. Says where and what; never a hash or password. */
export class UsersFileError extends PersonNeededError {
  override name = "UsersFileError";
}

/** One user as the file gives it. */
export interface NatsUser {
  name: string;
  /** Its entry: from the brace to behind the closing one. */
  span: Span;
  /** The value of `password`, where it has one. */
  password?: { text: string; span: Span };
  nameSpan: Span;
}

interface Span {
  start: number;
  end: number;
}

type Value =
  | { type: "text"; text: string; span: Span; plain: boolean }
  | { type: "list"; items: Value[]; span: Span }
  | { type: "map"; entries: { key: string; value: Value }[]; span: Span };

/**
 * The users of a file that a nats-server's configuration includes: `users = [ { user: …, password: … }, … ]`, beside
 * definitions that entries refer to (`$NAME`). Everything else in it is left exactly as it is, so only what is
 * understood is accepted: https://docs.nats.io/running-a-nats-service/configuration#configuration-syntax
 * @throws UsersFileError with the line
 */
export function usersIn(text: string): NatsUser[] {
  const users: NatsUser[] = [];
  let list: Value | undefined;
  for (const { key, value } of new Reader(text).file()) {
    if (key.toLowerCase() !== "users") continue;
    if (list !== undefined) throw problem(text, value.span.start, "a second list of users");
    list = value;
  }
  if (list?.type !== "list") throw new UsersFileError("the users file has no list `users = [ … ]`");
  for (const item of list.items) {
    if (item.type !== "map")
      throw problem(text, item.span.start, "a user that is no { user: …, password: … }");
    const field = (name: string) => item.entries.filter(({ key }) => key.toLowerCase() === name);
    const names = [...field("user"), ...field("username")];
    const passwords = [...field("password"), ...field("pass")];
    const [name] = names;
    if (name === undefined) continue;
    if (names.length > 1 || passwords.length > 1)
      throw problem(text, item.span.start, "a user with a field twice");
    const [password] = passwords;
    if (name.value.type !== "text" || (password !== undefined && password.value.type !== "text")) {
      throw problem(text, item.span.start, "a user or password that is no text");
    }
    if (!name.value.plain)
      throw problem(text, name.value.span.start, "a user's name with an escape or variable");
    if (users.some((other) => other.name === (name.value as { text: string }).text)) {
      throw problem(text, item.span.start, "the same user twice");
    }
    users.push({
      name: name.value.text,
      nameSpan: name.value.span,
      span: item.span,
      ...(password?.value.type === "text" && {
        password: { text: password.value.text, span: password.value.span },
      }),
    });
  }
  return users;
}

/**
 * The file with a user more, behind the one whose entry it copies: whatever that one may do, it may do. Where it is there
 * already it gets the new hash.
 * @param hash bcrypt
 * @throws UsersFileError where the one to copy is not there
 */
export function withUser(text: string, name: string, { like, hash }: { like: string; hash: string }): string {
  const users = usersIn(text);
  const there = users.find((user) => user.name === name);
  if (there !== undefined) return spliced(text, [[passwordOf(text, there).span, JSON.stringify(hash)]]);
  const model = users.find((user) => user.name === like);
  if (model === undefined) {
    throw new UsersFileError(
      `the users file has no user ${like}, whose permissions the next one gets: add it there with its permissions`,
    );
  }
  const shift = ({ start, end }: Span) => ({ start: start - model.span.start, end: end - model.span.start });
  const copy = spliced(text.slice(model.span.start, model.span.end), [
    [shift(model.nameSpan), JSON.stringify(name)],
    [shift(passwordOf(text, model).span), JSON.stringify(hash)],
  ]);
  const line = text.lastIndexOf("\n", model.span.start) + 1;
  const indent = /^[ \t]*/.exec(text.slice(line))?.[0] ?? "";
  return spliced(text, [[{ start: model.span.end, end: model.span.end }, `,\n${indent}${copy}`]]);
}

/** The file without a user; unchanged where it is not there. */
export function withoutUser(text: string, name: string): string {
  const user = usersIn(text).find((one) => one.name === name);
  if (user === undefined) return text;
  let { start, end } = user.span;
  const behind = /^[ \t]*,/.exec(text.slice(end));
  const before = /,[ \t\r\n]*$/.exec(text.slice(0, start));
  if (behind !== null) end += behind[0].length;
  else if (before !== null) start -= before[0].length;
  // A line that held nothing else goes with it.
  const line = text.lastIndexOf("\n", start - 1) + 1;
  const rest = /^[ \t]*(\r?\n|$)/.exec(text.slice(end));
  if (rest !== null && line > 0 && text.slice(line, start).trim() === "") {
    start = line;
    end += rest[0].length;
  }
  return spliced(text, [[{ start, end }, ""]]);
}

/** Whether two users' entries say the same but for their names and passwords; false where one is not there. */
export function sameRights(text: string, a: string, b: string): boolean {
  const [one, other] = [a, b].map((name) => {
    const user = usersIn(text).find((found) => found.name === name);
    if (user === undefined) return undefined;
    const shift = ({ start, end }: Span) => ({ start: start - user.span.start, end: end - user.span.start });
    return spliced(text.slice(user.span.start, user.span.end), [
      [shift(user.nameSpan), "?"],
      ...(user.password === undefined ? [] : [[shift(user.password.span), "?"] as [Span, string]]),
    ]);
  });
  return one !== undefined && one === other;
}

function passwordOf(text: string, user: NatsUser): { text: string; span: Span } {
  if (user.password !== undefined) return user.password;
  throw problem(text, user.span.start, `the user ${user.name} without a password`);
}

function spliced(text: string, changes: [Span, string][]): string {
  return changes
    .toSorted(([a], [b]) => b.start - a.start)
    .reduce((result, [{ start, end }, by]) => result.slice(0, start) + by + result.slice(end), text);
}

function problem(text: string, at: number, what: string): UsersFileError {
  const line = text.slice(0, at).split("\n").length;
  return new UsersFileError(
    `line ${line} of the users file holds ${what}: the engine writes none that it does not understand`,
  );
}

/** Reads what is needed of the configuration's syntax, with positions. */
class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  file(): { key: string; value: Value }[] {
    const entries = this.#entries(undefined);
    if (this.#at < this.#text.length) throw this.#problem("what cannot be read");
    return entries;
  }

  #entries(close: "}" | undefined): { key: string; value: Value }[] {
    const entries: { key: string; value: Value }[] = [];
    for (;;) {
      this.#skip(/[\s,;]/);
      if (this.#at >= this.#text.length) {
        if (close === undefined) return entries;
        throw this.#problem("a brace that is not closed");
      }
      if (this.#text[this.#at] === close) {
        this.#at++;
        return entries;
      }
      const key = this.#key();
      if (key.toLowerCase() === "include") throw this.#problem("an include");
      this.#skip(/[ \t]/);
      if (/[:=]/.test(this.#text[this.#at] ?? "")) this.#at++;
      this.#skip(/\s/);
      entries.push({ key, value: this.#value() });
    }
  }

  #list(start: number): Value {
    const items: Value[] = [];
    for (;;) {
      this.#skip(/[\s,]/);
      if (this.#text[this.#at] === "]") {
        this.#at++;
        return { type: "list", items, span: { start, end: this.#at } };
      }
      if (this.#at >= this.#text.length) throw this.#problem("a bracket that is not closed");
      items.push(this.#value());
    }
  }

  #value(): Value {
    const start = this.#at;
    switch (this.#text[start]) {
      case "{":
        this.#at++;
        return { type: "map", entries: this.#entries("}"), span: { start, end: this.#at } };
      case "[":
        this.#at++;
        return this.#list(start);
      case '"':
      case "'":
        return this.#quoted();
      default: {
        const bare = /^[^\s,;{}[\]()"'#]+/.exec(this.#text.slice(start))?.[0];
        if (bare === undefined) throw this.#problem("what cannot be read");
        this.#at += bare.length;
        const plain = !bare.startsWith("$") && !bare.includes("\\");
        return { type: "text", text: bare, plain, span: { start, end: this.#at } };
      }
    }
  }

  #quoted(): Value {
    const start = this.#at;
    const quoted = /^"(?:[^"\\\n]|\\.)*"|^'[^'\n]*'/.exec(this.#text.slice(start))?.[0];
    if (quoted === undefined) throw this.#problem("a quotation that is not closed");
    this.#at += quoted.length;
    const text = quoted.slice(1, -1);
    return { type: "text", text, plain: !text.includes("\\"), span: { start, end: this.#at } };
  }

  #key(): string {
    const quote = this.#text[this.#at];
    if (quote === '"' || quote === "'") {
      const { text } = this.#quoted() as { text: string };
      return text;
    }
    const key = /^[A-Za-z0-9_.-]+/.exec(this.#text.slice(this.#at))?.[0];
    if (key === undefined) throw this.#problem("what cannot be read");
    this.#at += key.length;
    return key;
  }

  /** Over separators and comments. */
  #skip(what: RegExp): void {
    for (;;) {
      const rest = this.#text.slice(this.#at, this.#at + 2);
      if (rest[0] === "#" || rest === "//") {
        const end = this.#text.indexOf("\n", this.#at);
        this.#at = end < 0 ? this.#text.length : end;
      } else if (rest !== "" && what.test(rest[0] ?? "")) {
        this.#at++;
      } else {
        return;
      }
    }
  }

  #problem(what: string): UsersFileError {
    return problem(this.#text, this.#at, what);
  }
}
