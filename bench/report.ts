import { availableParallelism, loadavg } from 'node:os'

export type Figures = Readonly<Record<string, number>>

/** The value below which `share` (0..1) of the sorted values lie. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!
}

/** Of several repetitions: the median of each figure with the least and the greatest. */
export interface Summary {
  readonly median: Figures
  readonly least: Figures
  readonly greatest: Figures
}

export function summarize(repetitions: readonly Figures[]): Summary {
  const of = (pick: (sorted: number[]) => number): Figures =>
    Object.fromEntries(
      Object.keys(repetitions[0]!).map((name) => [name, pick(repetitions.map((each) => each[name]!).sort((a, b) => a - b))]),
    )
  return { median: of((sorted) => percentile(sorted, 0.5)), least: of((sorted) => sorted[0]!), greatest: of((sorted) => sorted.at(-1)!) }
}

export interface Line {
  readonly setting: string
  readonly summary: Summary
}

/** A table for people, then one line of JSON for machines, on standard output. */
export function report(benchmark: string, repetitions: number, lines: readonly Line[]): void {
  const names = Object.keys(lines[0]!.summary.median)
  const rows = lines.map(({ setting, summary: { median, least, greatest } }) => [
    setting,
    ...names.map((name) => cell(median[name]!, least[name]!, greatest[name]!)),
  ])
  printTable([benchmark, ...names], rows)
  const machine = { node: process.version, processors: availableParallelism(), load: round(loadavg()[0]!) }
  console.log(JSON.stringify({ benchmark, repetitions, ...machine, lines: lines.map(({ setting, summary }) => ({ setting, ...summary })) }))
}

function cell(median: number, least: number, greatest: number): string {
  return least === greatest ? format(median) : `${format(median)} (${format(least)}–${format(greatest)})`
}

function format(value: number): string {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(round(value))
}

export function round(value: number): number {
  return Number(value.toPrecision(3))
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  const print = (cells: readonly string[]): void =>
    console.log(
      cells
        .map((text, i) => (i === 0 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
  print(head)
  print(widths.map((width) => '─'.repeat(width)))
  rows.forEach(print)
  console.log('')
}

/** Tells what is going on, on standard error, so that standard output stays table and JSON. */
export function progress(text: string): void {
  console.error(`… ${text}`)
}
