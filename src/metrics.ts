import { Counter, Gauge, Registry } from 'prom-client'

/** One value of a metric that has several. */
export interface LabelledValue {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** A metric that is read when somebody asks for it. */
export interface Metric {
  /** As Prometheus wants it: `orrery_…`, with its unit at the end, and `_total` behind that of a counter. */
  readonly name: string
  readonly help: string
  /** A counter only ever rises while the process lives. */
  readonly kind: 'gauge' | 'counter'
  /** Names of the labels that its values have. */
  readonly labels?: readonly string[]
  /** Null: not known now; then it is left out, as where this rejects. */
  readonly read: () => Read | Promise<Read>
}

type Read = number | null | readonly LabelledValue[]

/** What a process tells its monitoring, at `/metrics`. Every part of it may add to that. */
export interface Metrics {
  add(metric: Metric): void
  readonly contentType: string
  /** In the text format of Prometheus. */
  text(): Promise<string>
}

export function createMetrics(): Metrics {
  const registry = new Registry()
  return {
    add({ name, help, kind, labels = [], read }) {
      const settings = { name, help, labelNames: [...labels], registers: [registry] }
      if (kind === 'gauge') {
        const gauge: Gauge = new Gauge({
          ...settings,
          collect: async () => write(gauge, await reading(read), (labels, value) => gauge.set(labels, value)),
        })
      } else {
        const counter: Counter = new Counter({
          ...settings,
          collect: async () => write(counter, await reading(read), (labels, value) => counter.inc(labels, value)),
        })
      }
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  }
}

async function reading(read: Metric['read']): Promise<Read> {
  try {
    return await read()
  } catch {
    return null
  }
}

function write(metric: Gauge | Counter, read: Read, set: (labels: Record<string, string>, value: number) => void): void {
  metric.reset()
  // What has no labels is reset to 0, which would be a value.
  metric.remove({})
  if (read === null) return
  for (const { labels, value } of typeof read === 'number' ? [{ labels: {}, value: read }] : read) set(labels, value)
}
