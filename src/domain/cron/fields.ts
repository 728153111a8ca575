// An expression, taken apart. What follows from it for a month or a day is in days.ts and times.ts.

export const FIELD_NAMES = ['second', 'minute', 'hour', 'dayOfMonth', 'month', 'dayOfWeek'] as const
export type FieldName = (typeof FIELD_NAMES)[number]

/** The values a cron expression allows. Value lists are sorted and without duplicates. */
export interface CronFields {
  /** Each field as written, in capitals; an @ name is written out, and the second of a 5-field expression is `0`. */
  readonly source: Readonly<Record<FieldName, string>>
  readonly seconds: readonly number[]
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly daysOfMonth: DaysOfMonth
  /** 1..12 */
  readonly months: readonly number[]
  readonly daysOfWeek: DaysOfWeek
  /** The hour is written `*`, or `*` with a step: fires at every real instant whose wall clock matches, whatever the clock change policies. */
  readonly periodic: boolean
}

/** A day of a month that matches any of these lists matches the field. */
export interface DaysOfMonth {
  /** Anything but `*` and `?`. */
  readonly restricted: boolean
  /** 1..31 */
  readonly days: readonly number[]
  /** `L` is 0, `L-3` is 3: days before the month's last. */
  readonly beforeLast: readonly number[]
  /** `15W`: the weekday (Monday to Friday) of the same month nearest to the day; none where the month lacks the day. */
  readonly nearestWeekdayTo: readonly number[]
  /** `LW`: the month's last weekday. */
  readonly lastWeekday: boolean
}

/** A day of the week that matches any of these lists matches the field. 0 is Sunday. */
export interface DaysOfWeek {
  /** Anything but `*` and `?`. */
  readonly restricted: boolean
  /** 0..6 */
  readonly days: readonly number[]
  /** `MON#2`: the second Monday of the month. */
  readonly nth: readonly { readonly day: number; readonly nth: number }[]
  /** `5L`: the last Friday of the month. */
  readonly last: readonly number[]
}
