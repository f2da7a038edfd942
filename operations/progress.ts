/** One thing that long work says about one subject, for whoever renders it. Never holds a secret's value. */
export interface Step {
  subject: string;
  state: "started" | "progress" | "done" | "failed" | "unchanged";
  text: string;
  /** The state that long work is in now, where it has states with names. */
  step?: string;
  /** More than that the same goes on, which is told now and then where nobody watches: it is never left out. */
  isNews?: boolean;
}

export type Report = (step: Step) => void;
