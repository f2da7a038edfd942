import { z } from "zod";
import type { Path } from "./node.ts";

/** Names of the fields that a schema knows at a path; the value decides between the branches of a union. */
export function knownFields(schema: z.ZodType, path: Path, value: unknown): string[] {
  return [...new Set(shapesAt(schema, path, value).flatMap((shape) => Object.keys(shape)))];
}

type Shape = Record<string, z.ZodType>;

function shapesAt(schema: z.core.$ZodType, path: Path, value: unknown): Shape[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) {
    return shapesAt(schema.unwrap(), path, value);
  }
  if (schema instanceof z.ZodUnion) {
    const options = schema.options as z.core.$ZodType[];
    return options
      .filter((option) => isMeant(option, value))
      .flatMap((option) => shapesAt(option, path, value));
  }
  const [step, ...rest] = path;
  if (schema instanceof z.ZodObject) {
    const shape = schema.shape as Shape;
    if (step === undefined) return [shape];
    const next = shape[String(step)];
    return next === undefined ? [] : shapesAt(next, rest, member(value, step));
  }
  if (step === undefined) return [];
  if (schema instanceof z.ZodRecord) return shapesAt(schema.valueType, rest, member(value, step));
  if (schema instanceof z.ZodArray) return shapesAt(schema.element, rest, member(value, step));
  return [];
}

/** Whether a branch's literals (`to`, `type`) are the value's own. */
function isMeant(option: z.core.$ZodType, value: unknown): boolean {
  if (!(option instanceof z.ZodObject)) return true;
  return Object.entries(option.shape as Shape).every(
    ([key, field]) => !(field instanceof z.ZodLiteral) || field.values.has(member(value, key) as string),
  );
}

function member(value: unknown, step: string | number): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[step] : undefined;
}
