import { CronExpressionParser } from 'cron-parser'
import { type CronFields, type DaysOfMonth, type DaysOfWeek, FIELD_NAMES, type FieldName } from './fields.ts'
import { CronSyntaxError, FIELD_RULES, type FieldItems, parseField } from './grammar.ts'

const LONGEST = 1_024

/** Names for whole expressions, each written out with its seconds. */
const NAMED_EXPRESSIONS = new Map([
  ['@yearly', '0 0 0 1 1 *'],
  ['@annually', '0 0 0 1 1 *'],
  ['@monthly', '0 0 0 1 * *'],
  ['@weekly', '0 0 0 * * 0'],
  ['@daily', '0 0 0 * * *'],
  ['@midnight', '0 0 0 * * *'],
  ['@hourly', '0 0 * * * *'],
])

export type ParsedExpression = { readonly ok: true; readonly fields: CronFields } | { readonly ok: false; readonly message: string }

/**
 * Takes a cron expression apart: 5 fields (minute first), 6 (second first) or an @ name. A refusal says which field, what came and what is
 * accepted. Fields that no date satisfies (30 February) are well-formed: see `matchesSomeDay`.
 */
export function parseExpression(expression: string): ParsedExpression {
  try {
    return { ok: true, fields: fieldsOf(expression) }
  } catch (error) {
    if (error instanceof CronSyntaxError) return { ok: false, message: error.message }
    throw error
  }
}

function fieldsOf(expression: string): CronFields {
  const source = split(expression)
  const items = mapFields((name) => parseField(FIELD_RULES[name], source[name]))
  const values = expand(items)
  return {
    source,
    seconds: values.second,
    minutes: values.minute,
    hours: values.hour,
    months: values.month,
    daysOfMonth: daysOfMonth(source.dayOfMonth, values.dayOfMonth, items.dayOfMonth.special),
    daysOfWeek: daysOfWeek(source.dayOfWeek, values.dayOfWeek, items.dayOfWeek.special),
    periodic: /^\*(?:\/\d+)?$/.test(source.hour),
  }
}

function split(expression: string): Record<FieldName, string> {
  if (expression.length > LONGEST) {
    throw new CronSyntaxError(`the expression has ${expression.length} characters; at most ${LONGEST} are accepted`)
  }
  const trimmed = expression.trim()
  if (trimmed.startsWith('@') && !NAMED_EXPRESSIONS.has(trimmed)) {
    throw new CronSyntaxError(`"${trimmed}" is not a known name; accepted are ${[...NAMED_EXPRESSIONS.keys()].join(', ')}`)
  }
  const written = (NAMED_EXPRESSIONS.get(trimmed) ?? trimmed).split(/\s+/).filter((field) => field !== '')
  if (written.length !== 5 && written.length !== 6) {
    throw new CronSyntaxError(
      `the expression has ${written.length} ${written.length === 1 ? 'field' : 'fields'}; accepted are 5 ` +
        '(minute, hour, day-of-month, month, day-of-week), or 6 with the second first, or a name such as @daily',
    )
  }
  const fields = written.length === 5 ? ['0', ...written] : written
  return mapFields((_, index) => (fields[index] as string).toUpperCase())
}

/**
 * The values of the plain items, expanded by cron-parser. It refuses a list in which a value comes twice (`0,7`, `1-5,3`) and a day that the
 * only month lacks, so it is asked once for each place in the lists, and about the month apart from the days.
 */
function expand(items: Readonly<Record<FieldName, FieldItems>>): Record<FieldName, number[]> {
  const found = mapFields(() => new Set<number>())
  const rounds = Math.max(1, ...FIELD_NAMES.map((name) => items[name].plain.length))
  for (let round = 0; round < rounds; round++) {
    const pick = (name: FieldName) => items[name].plain[round] ?? items[name].plain[0] ?? '*'
    const days = CronExpressionParser.parse(
      `${pick('second')} ${pick('minute')} ${pick('hour')} ${pick('dayOfMonth')} * ${pick('dayOfWeek')}`,
    ).fields
    const months = pick('month') === '*' ? days : CronExpressionParser.parse(`0 0 0 * ${pick('month')} *`).fields
    for (const name of FIELD_NAMES) {
      const values = (name === 'month' ? months : days)[name].values as readonly number[]
      for (const value of values) found[name].add(name === 'dayOfWeek' ? value % 7 : value)
    }
  }
  return mapFields((name) => (items[name].plain.length === 0 ? [] : [...found[name]].sort((a, b) => a - b)))
}

function daysOfMonth(source: string, days: readonly number[], special: readonly string[]): DaysOfMonth {
  return {
    restricted: isRestricted(source),
    days,
    beforeLast: special.filter((item) => /^L(?:-\d+)?$/.test(item)).map((item) => Number(item.slice(2) || 0)),
    nearestWeekdayTo: special.filter((item) => /^\d+W$/.test(item)).map((item) => Number.parseInt(item, 10)),
    lastWeekday: special.includes('LW'),
  }
}

function daysOfWeek(source: string, days: readonly number[], special: readonly string[]): DaysOfWeek {
  return {
    restricted: isRestricted(source),
    days,
    nth: special.filter((item) => item.includes('#')).map((item) => ({ day: Number(item[0]) % 7, nth: Number(item[2]) })),
    last: special.filter((item) => item.endsWith('L')).map((item) => Number(item[0]) % 7),
  }
}

function isRestricted(source: string): boolean {
  return source !== '*' && source !== '?'
}

function mapFields<T>(value: (name: FieldName, index: number) => T): Record<FieldName, T> {
  return Object.fromEntries(FIELD_NAMES.map((name, index) => [name, value(name, index)])) as Record<FieldName, T>
}
