import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { required } from "../../../operations/scan/checks/ignore-rules.ts";

/** A real repository in a folder of its own, gone after the tests. */
export class TestRepository {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** With the rules that every repository needs, unless `bare`. */
  static async make(files: Record<string, string> = {}, { bare = false } = {}): Promise<TestRepository> {
    const root = await mkdtemp(join(tmpdir(), "keyplane-scan-"));
    after(() => rm(root, { recursive: true, force: true }));
    const repository = new TestRepository(root);
    repository.git("init", "--quiet", "--initial-branch=main");
    const rules = required.map(({ rule }) => rule);
    const wanted = {
      ".gitignore": rules.join("\n"),
      ".gitattributes": rules.map((rule) => `${rule} export-ignore`).join("\n"),
    };
    await repository.commit({ ...(bare ? {} : wanted), "README.md": "# Shop\n", ...files });
    return repository;
  }

  git(...args: string[]): string {
    return execFileSync(
      "git",
      [
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@acme.example",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "protocol.file.allow=always",
        ...args,
      ],
      {
        cwd: this.root,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      },
    ).trim();
  }

  async write(files: Record<string, string | Buffer>): Promise<void> {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(this.root, path)), { recursive: true });
      await writeFile(join(this.root, path), content);
    }
  }

  /** Writes files and commits everything. @returns the commit */
  async commit(files: Record<string, string | Buffer>, message = "Change it"): Promise<string> {
    await this.write(files);
    this.git("add", "--all", "--force", ".");
    this.git("commit", "--quiet", "--allow-empty", "--message", message);
    return this.git("rev-parse", "HEAD");
  }
}
