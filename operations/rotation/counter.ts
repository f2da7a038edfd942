import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, RotationModel, Secret, Service } from "../../model/model.ts";
import { samplesIn } from "./prometheus.ts";
import type { Idleness, Reach } from "./rotator.ts";

/** One look at one instance: the counter, and when its process started, where that is exposed. */
interface Sample {
  value: number;
  started: number | undefined;
}

/** Milliseconds for one instance's answer. */
const patience = 5_000;
const looks = 5;

/**
 * Whether a counter of the old key's use stood still in every instance of the consumers that accept both, for so long.
 * A process that was restarted counts from zero again: whatever it counted since is use.
 * @param window seconds; the counter is read five times in it
 * @throws the signal's reason
 */
export async function counterIdle(
  {
    model,
    secret,
    reach,
    signal,
  }: { model: RotationModel; secret: Secret; reach: Pick<Reach, "fetch">; signal: AbortSignal },
  metric: string,
  window: number,
): Promise<Idleness> {
  const instances: { id: string; url: string }[] = [];
  for (const { id } of accepting(secret.consumers)) {
    const observe = model.services.find((service) => service.id === id)?.observe;
    const urls = metricsOf(observe);
    if (urls.length === 0) {
      return {
        state: "unknown",
        why: `${id} has no observe.instances and observe.metrics in ${model.environment}: ${metric} cannot be read there`,
      };
    }
    instances.push(...urls.map((url) => ({ id, url })));
  }
  if (instances.length === 0) return { state: "idle", evidence: "no service accepts it" };
  const used = new Set<string>();
  const last = new Map<string, Sample>();
  for (let look = 0; look < looks; look++) {
    if (look > 0) await sleep((window * 1000) / (looks - 1), undefined, { signal });
    for (const { id, url } of instances) {
      const sample = await sampleOf(reach, url, metric, signal);
      if (typeof sample === "string") return { state: "unknown", why: `${id}: ${sample}` };
      if (moved(last.get(url), sample)) used.add(id);
      last.set(url, sample);
    }
  }
  const over = `${instances.length} instance${instances.length === 1 ? "" : "s"}, ${looks} looks within ${window} s`;
  return used.size === 0
    ? { state: "idle", evidence: `${metric} stood still: ${over}` }
    : { state: "in use", by: [...used].sort(), evidence: `${metric} moved: ${over}` };
}

/** Services that accept the old value beside the new one: listeners, and readers where there are no listeners. */
function accepting(consumers: Consumer[]): Consumer[] {
  const services = consumers.filter(({ kind }) => kind === "service");
  const listeners = services.filter(({ role }) => role === "listener");
  return listeners.length > 0 ? listeners : services;
}

function metricsOf(observe: Service["observe"]): string[] {
  const { metrics, instances = [] } = observe ?? {};
  return metrics === undefined ? [] : instances.map((base) => `${base.replace(/\/+$/, "")}${metrics}`);
}

async function sampleOf(
  { fetch }: Pick<Reach, "fetch">,
  url: string,
  metric: string,
  signal: AbortSignal,
): Promise<Sample | string> {
  signal.throwIfAborted();
  let text: string;
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]) });
    if (!response.ok) return `${url} answers ${response.status}`;
    text = await response.text();
  } catch (error) {
    signal.throwIfAborted();
    return `${url} does not answer: ${error instanceof Error ? error.message : String(error)}`;
  }
  const value = counterIn(text, metric);
  if (value === undefined) return `${url} exposes no ${metric}: expose it from the start, at 0`;
  return { value, started: counterIn(text, "process_start_time_seconds") };
}

function moved(before: Sample | undefined, now: Sample): boolean {
  if (before === undefined) return false;
  const restarted = now.value < before.value || now.started !== before.started;
  return restarted ? now.value > 0 : now.value > before.value;
}

/** A metric's value in Prometheus' text, summed over its labels; undefined where it is not there. */
export function counterIn(text: string, metric: string): number | undefined {
  const samples = samplesIn(text).filter(({ name }) => name === metric);
  return samples.length === 0 ? undefined : samples.reduce((sum, { value }) => sum + value, 0);
}
