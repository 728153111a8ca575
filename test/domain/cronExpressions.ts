import fc from 'fast-check'

// Random cron expressions, each with what it means, said naively: the meaning is built beside the text and never read from it.

/** One item of a field: its text, and whether a wall time (read as UTC) matches it. */
interface Item {
  readonly text: string
  readonly matches: (wall: Date) => boolean
}

interface Field extends Item {
  readonly restricted: boolean
}

export interface RandomExpression {
  readonly text: string
  readonly periodic: boolean
  readonly matches: (wall: number, dayMatch: 'ANY' | 'ALL') => boolean
}

const MONTHS = ['JAN', 'feb', 'Mar', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const DAYS = ['SUN', 'mon', 'Tue', 'WED', 'THU', 'FRI', 'SAT']

/** Numbers, ranges and steps over `low` to `high`, of which a wall time shows `unit`. */
function numbers(unit: (wall: Date) => number, low: number, high: number, write: (value: number) => string = String): fc.Arbitrary<Item> {
  const number = fc.integer({ min: low, max: high })
  const one = number.map((value): Item => ({ text: write(value), matches: (wall) => unit(wall) === value }))
  const range = fc.tuple(number, number, fc.integer({ min: 1, max: 9 })).map(([a, b, step]): Item => {
    const [from, to] = a < b ? [a, b] : [b, a]
    const text = `${write(from)}-${write(to)}${step === 1 ? '' : `/${step}`}`
    return { text, matches: (wall) => unit(wall) >= from && unit(wall) <= to && (unit(wall) - from) % step === 0 }
  })
  const open = fc.tuple(number, fc.integer({ min: 1, max: high + 5 }), fc.boolean()).map(([start, step, star]): Item => {
    const from = star ? low : start
    return { text: `${star ? '*' : start}/${step}`, matches: (wall) => unit(wall) >= from && (unit(wall) - from) % step === 0 }
  })
  return fc.oneof({ weight: 4, arbitrary: one }, { weight: 2, arbitrary: range }, { weight: 2, arbitrary: open })
}

/** A list of items, or with the weight `anyWeight` one of the signs for any value. */
function field(item: fc.Arbitrary<Item>, anySigns: readonly string[], anyWeight: number): fc.Arbitrary<Field> {
  const list = fc.array(item, { minLength: 1, maxLength: 4 }).map((items) => ({
    text: items.map(({ text }) => text).join(','),
    matches: (wall: Date) => items.some((one) => one.matches(wall)),
    restricted: true,
  }))
  const any = fc.constantFrom(...anySigns).map((text) => ({ text, matches: () => true, restricted: false }))
  return fc.oneof({ weight: anyWeight, arbitrary: any }, { weight: 2, arbitrary: list })
}

function monthLength(wall: Date): number {
  return new Date(Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth() + 1, 0)).getUTCDate()
}

/** The weekday of the wall time's month nearest to a date, found by looking ever further away. */
function nearestWeekday(wall: Date, wanted: number): number | null {
  const length = monthLength(wall)
  if (wanted > length) return null
  for (const distance of [0, 1, 2]) {
    for (const day of [wanted - distance, wanted + distance]) {
      const weekday = new Date(Date.UTC(wall.getUTCFullYear(), wall.getUTCMonth(), day)).getUTCDay()
      if (day >= 1 && day <= length && weekday !== 0 && weekday !== 6) return day
    }
  }
  return null
}

const specialDates: fc.Arbitrary<Item> = fc.oneof(
  fc.constant<Item>({ text: 'L', matches: (wall) => wall.getUTCDate() === monthLength(wall) }),
  fc.constant<Item>({ text: 'LW', matches: (wall) => wall.getUTCDate() === nearestWeekday(wall, monthLength(wall)) }),
  fc
    .integer({ min: 1, max: 30 })
    .map((before): Item => ({ text: `L-${before}`, matches: (wall) => wall.getUTCDate() === monthLength(wall) - before })),
  fc
    .integer({ min: 1, max: 31 })
    .map((day): Item => ({ text: `${day}W`, matches: (wall) => wall.getUTCDate() === nearestWeekday(wall, day) })),
)

const weekday = fc.integer({ min: 0, max: 7 })

const weekdays: fc.Arbitrary<Item> = fc.oneof(
  weekday.map((day): Item => ({ text: String(day), matches: (wall) => wall.getUTCDay() === day % 7 })),
  weekday.map((day): Item => ({ text: DAYS[day % 7]!, matches: (wall) => wall.getUTCDay() === day % 7 })),
  fc.tuple(weekday, weekday, fc.integer({ min: 1, max: 3 })).map(([a, b, step]): Item => {
    const [from, to] = a < b ? [a, b] : [b, a]
    const days = [0, 1, 2, 3, 4, 5, 6, 7].filter((day) => day >= from && day <= to && (day - from) % step === 0).map((day) => day % 7)
    return { text: `${from}-${to}/${step}`, matches: (wall) => days.includes(wall.getUTCDay()) }
  }),
)

const specialWeekdays: fc.Arbitrary<Item> = fc.oneof(
  fc.tuple(weekday, fc.integer({ min: 1, max: 5 })).map(
    ([day, nth]): Item => ({
      text: `${day}#${nth}`,
      matches: (wall) => wall.getUTCDay() === day % 7 && Math.ceil(wall.getUTCDate() / 7) === nth,
    }),
  ),
  weekday.map(
    (day): Item => ({
      text: `${DAYS[day % 7]}L`,
      matches: (wall) => wall.getUTCDay() === day % 7 && wall.getUTCDate() + 7 > monthLength(wall),
    }),
  ),
)

export interface Shape {
  /** Six fields instead of five. */
  readonly seconds?: boolean
  /** Hours that the hour field prefers. */
  readonly hours?: readonly number[]
  /** How often a day or month field is unrestricted: of 2 + this. */
  readonly anyDay?: number
}

/** A random expression of a shape. */
export function randomExpression({ seconds = false, hours = [], anyDay = 3 }: Shape = {}): fc.Arbitrary<RandomExpression> {
  const hourNumbers = numbers((wall) => wall.getUTCHours(), 0, 23)
  const preferred = fc
    .constantFrom(...hours, 0)
    .map((hour): Item => ({ text: String(hour), matches: (wall) => wall.getUTCHours() === hour }))
  const star = (unit: (wall: Date) => number) =>
    fc
      .integer({ min: 1, max: 26 })
      .map((step): Field => ({ text: `*/${step}`, matches: (wall) => unit(wall) % step === 0, restricted: true }))
  const hour = fc.oneof(
    { weight: 3, arbitrary: field(hours.length > 0 ? preferred : hourNumbers, ['*'], 1) },
    { weight: 1, arbitrary: field(hourNumbers, ['*'], 1) },
    { weight: 1, arbitrary: star((wall) => wall.getUTCHours()) },
  )
  return fc
    .record({
      second: seconds
        ? field(
            numbers((wall) => wall.getUTCSeconds(), 0, 59),
            ['*'],
            1,
          )
        : fc.constant(null),
      minute: field(
        numbers((wall) => wall.getUTCMinutes(), 0, 59),
        ['*'],
        1,
      ),
      hour,
      date: field(
        fc.oneof(
          numbers((wall) => wall.getUTCDate(), 1, 31),
          specialDates,
        ),
        ['*', '?'],
        anyDay,
      ),
      month: field(
        fc.boolean().chain((named) =>
          numbers(
            (wall) => wall.getUTCMonth() + 1,
            1,
            12,
            (month) => (named ? MONTHS[month - 1]! : String(month)),
          ),
        ),
        ['*'],
        anyDay,
      ),
      weekday: field(fc.oneof(weekdays, specialWeekdays), ['*', '?'], anyDay),
    })
    .map(({ second, minute, hour: hourField, date, month, weekday: day }): RandomExpression => {
      const fields = [minute, hourField, date, month, day]
      return {
        text: [...(second === null ? [] : [second]), ...fields].map(({ text }) => text).join(' '),
        periodic: hourField.text === '*' || hourField.text.replace(/\d/g, '') === '*/',
        matches(wall, dayMatch) {
          const at = new Date(wall)
          const onDay =
            date.restricted && day.restricted && dayMatch === 'ANY'
              ? date.matches(at) || day.matches(at)
              : date.matches(at) && day.matches(at)
          const atSecond = second === null ? at.getUTCSeconds() === 0 : second.matches(at)
          return onDay && atSecond && minute.matches(at) && hourField.matches(at) && month.matches(at)
        },
      }
    })
}
