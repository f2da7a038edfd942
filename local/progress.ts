/** One thing that long work says about itself while it runs. It never holds a secret's value. */
export interface Step {
  /** What it is about, e.g. "vault" or "postgres". */
  subject: string;
  state: "started" | "progress" | "done" | "failed" | "unchanged";
  /** One line for people, without the subject. */
  text: string;
}

/** Where long work sends its steps. The command line prints them; tests collect them. */
export type Report = (step: Step) => void;
