import type { Sink } from "../../../operations/delivery/sink.ts";
import type { RotateOptions } from "../../../operations/rotation/engine.ts";
import type { Demo } from "./bench.ts";

/** The world's sinks, changed for one consumer. */
export function sinksWith(
  { subject }: Demo,
  id: string,
  change: (sink: Sink) => Partial<Sink>,
): RotateOptions["sinks"] {
  return (consumer) => {
    const sinks = subject.sinks(consumer);
    return consumer.id === id ? sinks.map((sink) => ({ ...sink, ...change(sink) })) : sinks;
  };
}
