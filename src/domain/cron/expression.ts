import { CronExpressionParser } from 'cron-parser'
import { remembering } from '../remembering.ts'
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
 * accepted. Fields that no date satisfies (30 February) are well-formed: `MatchingDays.some` tells.
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
  const values = mapFields((name) => expand(name, items[name]))
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

/** The values of a field's plain items, sorted. */
function expand(name: FieldName, { plain }: FieldItems): readonly number[] {
  const values = new Set<number>()
  for (const item of plain) for (const value of expandItem(name, item)) values.add(name === 'dayOfWeek' ? value % 7 : value)
  return [...values].sort((a, b) => a - b)
}

const remember = remembering<readonly number[]>(5_000)

/**
 * The values of one item, expanded by cron-parser. It is asked for each item apart, because it refuses lists in which a value comes twice
 * (`0,7`, `1-5,3`) and days that the expression's only month lacks. It is slow, and expressions are made of few items.
 */
function expandItem(name: FieldName, item: string): readonly number[] {
  return remember(`${name} ${item}`, () => {
    const expression = FIELD_NAMES.map((field) => (field === name ? item : '*')).join(' ')
    return CronExpressionParser.parse(expression).fields[name].values as readonly number[]
  })
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
