import { DAY, HOUR, MINUTE, type Milliseconds, SECOND } from './instant.ts'

// English for lengths of time and lists, as descriptions and warnings use it.

const UNITS: readonly (readonly [Milliseconds, string])[] = [
  [DAY, 'day'],
  [HOUR, 'hour'],
  [MINUTE, 'minute'],
  [SECOND, 'second'],
  [1, 'millisecond'],
]

/** `1 hour 30 minutes`, `10 seconds`. */
export function wordsOfDuration(duration: Milliseconds): string {
  let rest = duration
  const words: string[] = []
  for (const [length, unit] of UNITS) {
    const count = Math.floor(rest / length)
    rest -= count * length
    if (count > 0) words.push(`${count} ${unit}${count === 1 ? '' : 's'}`)
  }
  return words.join(' ') || '0 seconds'
}

/** `1`, `1 and 2`, `1, 2 and 3`; the last two joined by `last`. */
export function listed(items: readonly string[], last: 'and' | 'or' = 'and'): string {
  if (items.length <= 1) return items[0] ?? ''
  return `${items.slice(0, -1).join(', ')} ${last} ${items.at(-1)}`
}

/** `1st`, `2nd`, `31st`. */
export function ordinal(number: number): string {
  const teens = number % 100 >= 11 && number % 100 <= 13
  return `${number}${teens ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th')}`
}
