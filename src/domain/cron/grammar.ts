import type { FieldName } from './fields.ts'
import { MONTH_NAMES, WEEKDAY_NAMES } from './names.ts'

// What each field of an expression accepts. Plain items are checked here, so that a refusal can name the field and say what is accepted,
// and handed to cron-parser to be expanded; the special day items are ours alone.

const MONTHS = MONTH_NAMES.map((name) => name.slice(0, 3).toUpperCase())
const WEEKDAYS = WEEKDAY_NAMES.map((name) => name.slice(0, 3).toUpperCase())

export interface FieldRules {
  /** As messages call it. */
  readonly label: string
  readonly lowest: number
  readonly highest: number
  /** Names that stand for numbers; the first stands for `firstName`. */
  readonly names: readonly string[]
  readonly firstName: number
  /** Items beyond numbers, ranges and steps. */
  readonly special: RegExp | null
  readonly accepted: string
}

const DAY_OF_WEEK_VALUE = `(?:[0-7]|${WEEKDAYS.join('|')})`

export const FIELD_RULES: Readonly<Record<FieldName, FieldRules>> = {
  second: numeric('second', 0, 59),
  minute: numeric('minute', 0, 59),
  hour: numeric('hour', 0, 23),
  dayOfMonth: {
    ...numeric('day-of-month', 1, 31),
    special: /^(?:L|LW|L-(?:[1-9]|[12]\d|30)|(?:0?[1-9]|[12]\d|3[01])W)$/,
    accepted: '1 to 31, *, ?, ranges (1-5), steps (*/2), lists (1,15), L, L-1 to L-30, 1W to 31W, LW',
  },
  month: {
    ...numeric('month', 1, 12),
    names: MONTHS,
    firstName: 1,
    accepted: '1 to 12, JAN to DEC, *, ranges (1-5), steps (*/3), lists (1,7)',
  },
  dayOfWeek: {
    ...numeric('day-of-week', 0, 7),
    names: WEEKDAYS,
    special: new RegExp(`^${DAY_OF_WEEK_VALUE}(?:L|#[1-5])$`),
    accepted:
      '0 to 7 (0 and 7 are Sunday), SUN to SAT, *, ?, ranges (MON-FRI), steps (*/2), lists (1,3), 5L (the last Friday), 5#3 (the third Friday)',
  },
}

function numeric(label: string, lowest: number, highest: number): FieldRules {
  const accepted = `${lowest} to ${highest}, *, ranges (1-5), steps (*/5 or 5/15), lists (1,5)`
  return { label, lowest, highest, names: [], firstName: 0, special: null, accepted }
}

/** A field's items, told apart. */
export interface FieldItems {
  /** `*`, numbers, ranges and steps, names replaced by numbers, without duplicates: what cron-parser expands. */
  readonly plain: readonly string[]
  /** The special day items, in capitals, names replaced by numbers. */
  readonly special: readonly string[]
}

/** Thrown where an expression is refused. It never leaves this folder. */
export class CronSyntaxError extends Error {}

/** Takes a field apart. Throws CronSyntaxError. */
export function parseField(rules: FieldRules, text: string): FieldItems {
  const plain = new Set<string>()
  const special = new Set<string>()
  for (const written of text.split(',')) {
    const item = written.toUpperCase()
    if (rules.special?.test(item)) special.add(withNumbers(rules, item))
    else if (item === '?') plain.add(anyDay(rules, text))
    else plain.add(plainItem(rules, item, text))
  }
  return { plain: [...plain], special: [...special] }
}

const PLAIN_ITEM = /^(?:(\*)|([A-Z]{3}|\d{1,2})(?:-([A-Z]{3}|\d{1,2}))?)(?:\/(\d{1,4}))?$/

function plainItem(rules: FieldRules, item: string, text: string): string {
  const parts = PLAIN_ITEM.exec(item)
  if (parts === null) throw unreadable(rules, item, text)
  const [, star, first, last, step] = parts
  if (step !== undefined && Number(step) === 0)
    throw new CronSyntaxError(`${rules.label}: the step of "${item}" is 0; it must be at least 1`)
  const every = step === undefined ? '' : `/${Number(step)}`
  if (star !== undefined || first === undefined) return `*${every}`
  const from = numberOf(rules, first, item, text)
  if (last === undefined) return `${from}${every}`
  const to = numberOf(rules, last, item, text)
  if (from > to) throw wrapping(rules, item, first, last)
  return `${from}-${to}${every}`
}

function numberOf(rules: FieldRules, written: string, item: string, text: string): number {
  const named = rules.names.indexOf(written)
  if (named >= 0) return named + rules.firstName
  if (!/^\d+$/.test(written)) throw unreadable(rules, item, text)
  const value = Number(written)
  if (value < rules.lowest || value > rules.highest) {
    throw new CronSyntaxError(`${rules.label}: ${written} is out of range; accepted are ${rules.accepted}`)
  }
  return value
}

/** `?` says "no particular day", so it stands alone, and only where there is another day field to say it. */
function anyDay(rules: FieldRules, text: string): string {
  if (text !== '?' || rules.special === null) {
    throw new CronSyntaxError(`${rules.label}: "?" is accepted alone, in day-of-month and day-of-week; write * for any ${rules.label}`)
  }
  return '*'
}

function withNumbers(rules: FieldRules, item: string): string {
  const name = item.slice(0, 3)
  const named = rules.names.indexOf(name)
  return named < 0 ? item : `${named + rules.firstName}${item.slice(3)}`
}

function wrapping(rules: FieldRules, item: string, first: string, last: string): CronSyntaxError {
  const toSunday = rules.label === 'day-of-week' && (last === 'SUN' || last === '0')
  const instead = toSunday ? `${first}-7, where 7 is Sunday` : `two ranges, as in ${first}-${lastOf(rules)},${firstOf(rules)}-${last}`
  return new CronSyntaxError(`${rules.label}: the range "${item}" ends before it begins, and ranges do not wrap around; write ${instead}`)
}

function firstOf(rules: FieldRules): string {
  return rules.names[0] ?? String(rules.lowest)
}

function lastOf(rules: FieldRules): string {
  return rules.names.at(-1) ?? String(rules.highest)
}

function unreadable(rules: FieldRules, item: string, text: string): CronSyntaxError {
  if (/H/.test(item) && !rules.names.some((name) => item.includes(name))) {
    return new CronSyntaxError(`${rules.label}: "${item}" uses H, which is not accepted; spread jobs with the schedule's jitter instead`)
  }
  if (item === 'L' && rules.label === 'day-of-week') {
    return new CronSyntaxError('day-of-week: "L" needs a day, as in 5L for the last Friday; write SAT or 6 for Saturday')
  }
  const inList = item === text.toUpperCase() ? '' : ` in "${text}"`
  return new CronSyntaxError(`${rules.label}: "${item}"${inList} is not understood; accepted are ${rules.accepted}`)
}
