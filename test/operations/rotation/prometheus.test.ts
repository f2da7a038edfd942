import assert from "node:assert/strict";
import { test } from "node:test";
import { samplesIn } from "../../../operations/rotation/prometheus.ts";

test("samples of Prometheus' text format are read with their labels; comments and the rest are passed over", () => {
  const text = [
    "# HELP http_requests_total The total number of HTTP requests.",
    "# TYPE http_requests_total counter",
    'http_requests_total{method="post",code="200"} 1027 1395066363000',
    'http_requests_total{code="400",path="a\\"b}\\\\c\\nd",} 3',
    "metric_without_timestamp_and_labels 12.47",
    '  with_blanks{a = "1"}\t-1.5e3  ',
    'something_weird{problem="division by zero"} +Inf -3982045',
    "not_a_number NaN",
    "no value",
    "",
  ].join("\n");
  assert.deepEqual(samplesIn(text), [
    { name: "http_requests_total", labels: { method: "post", code: "200" }, value: 1027 },
    { name: "http_requests_total", labels: { code: "400", path: 'a"b}\\c\nd' }, value: 3 },
    { name: "metric_without_timestamp_and_labels", labels: {}, value: 12.47 },
    { name: "with_blanks", labels: { a: "1" }, value: -1500 },
    { name: "something_weird", labels: { problem: "division by zero" }, value: Number.POSITIVE_INFINITY },
  ]);
});
