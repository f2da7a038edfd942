/** One thing that long work says about one subject, for whoever renders it. Never holds a secret's value. */
export interface Step {
  subject: string;
  state: "started" | "progress" | "done" | "failed" | "unchanged";
  text: string;
  /** The state that long work is in now, where it has states with names. */
  step?: string;
}

export type Report = (step: Step) => void;
