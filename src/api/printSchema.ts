// Writes or checks `schema.graphql`, the contract that review reads: node src/api/printSchema.ts --write | --check
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { printSchema } from 'graphql'
import { schema } from './schema.ts'

const FILE = join(import.meta.dirname, '../../schema.graphql')

/** The schema as text, in alphabetical order, descriptions included. */
export function printedSchema(): string {
  return `${printSchema(schema)}\n`
}

/** The first line that differs, as a hint for whoever has to find it; null where the texts are equal. */
export function firstDifference(stored: string, printed: string): string | null {
  if (stored === printed) return null
  const [storedLines, printedLines] = [stored.split('\n'), printed.split('\n')]
  const line = printedLines.findIndex((text, index) => text !== storedLines[index])
  const at = line === -1 ? printedLines.length : line
  return `line ${at + 1}:\n  stored  ${storedLines[at] ?? '(nothing)'}\n  printed ${printedLines[at] ?? '(nothing)'}`
}

function read(): string {
  try {
    return readFileSync(FILE, 'utf8')
  } catch {
    return ''
  }
}

function main(option: string | undefined): number {
  if (option === '--write') {
    writeFileSync(FILE, printedSchema())
    return 0
  }
  if (option !== '--check') {
    process.stderr.write(`printSchema takes --write or --check, not ${option ?? 'nothing'}\n`)
    return 2
  }
  const difference = firstDifference(read(), printedSchema())
  if (difference === null) return 0
  process.stderr.write(`schema.graphql is not what the code says (npm run schema writes it).\n${difference}\n`)
  return 1
}

if (import.meta.main) process.exitCode = main(process.argv[2])
