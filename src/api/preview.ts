import { describeSchedule } from '../domain/describeSchedule.ts'
import { type UserError, userError } from '../domain/errors.ts'
import type { Instant } from '../domain/instant.ts'
import { occurrencesOf } from '../domain/occurrences.ts'
import { parseSchedule } from '../domain/parseSchedule.ts'
import type { Schedule } from '../domain/schedule.ts'
import type { ScheduleInput } from '../domain/scheduleInput.ts'
import type { ScheduleWarning, ScheduleWarningCode } from '../domain/scheduleWarning.ts'
import { warningsOf } from '../domain/scheduleWarnings.ts'
import { builder, described } from './builder.ts'
import { takeInstants } from './instants.ts'
import { ScheduleInputType } from './schedule.ts'
import { UserErrorType } from './userError.ts'

const WarningCodeType = builder.enumType('ScheduleWarningCode', {
  description: 'What one should know about a schedule that is accepted all the same.',
  values: described<ScheduleWarningCode>({
    DST_GAP: 'A clock change will skip one of its times.',
    DST_FOLD: 'A clock change will repeat one of its times.',
    BOTH_DAY_FIELDS: 'Both day fields are restricted; `dayMatch` says how they combine.',
    SKIPS_SHORT_MONTHS: 'It asks for a day that some months do not have.',
    LEAP_DAY_ONLY: 'It fires on 29 February only.',
    UNEVEN_STEP: 'A step does not divide its range: the last distance before it starts anew is shorter.',
    FREQUENT: 'It fires very often.',
  }),
})

const WarningType = builder.objectRef<ScheduleWarning>('ScheduleWarning').implement({
  description: 'What one should know about a schedule that is accepted all the same.',
  fields: (t) => ({
    code: t.field({ type: WarningCodeType, description: 'What kind of thing.', resolve: (warning) => warning.code }),
    message: t.exposeString('message', { description: 'In English.' }),
    at: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it happens next, where it is about an instant.',
      resolve: (warning) => warning.at,
    }),
  }),
})

interface Preview {
  readonly next: readonly Instant[]
  readonly description: string | null
  readonly warnings: readonly ScheduleWarning[]
  readonly errors: readonly UserError[]
}

const PreviewType = builder.objectRef<Preview>('SchedulePreview').implement({
  description: 'What a schedule would do.',
  fields: (t) => ({
    next: t.field({
      type: ['DateTime'],
      description: 'Its next instants, nominal, strictly after `from`.',
      resolve: (preview) => preview.next,
    }),
    description: t.exposeString('description', { nullable: true, description: 'The schedule in plain English. Null: it has errors.' }),
    warnings: t.field({ type: [WarningType], description: 'What one should know about it.', resolve: (preview) => preview.warnings }),
    errors: t.field({
      type: [UserErrorType],
      description: 'Everything that is wrong with the request; empty where it can be previewed.',
      resolve: (preview) => preview.errors,
    }),
  }),
})

builder.queryField('previewSchedule', (t) =>
  t.field({
    type: PreviewType,
    description: 'What a schedule would do, without storing anything: its next instants, in words, and what to know about it.',
    args: {
      schedule: t.arg({ type: ScheduleInputType, required: true, description: 'The schedule, as for `createJob`.' }),
      from: t.arg({ type: 'DateTime', description: 'Strictly after which instant to begin. Left out: now.' }),
      count: t.arg.int({ required: true, defaultValue: 10, description: 'How many instants, 0 to 1,000.' }),
    },
    resolve: (_root, { schedule, from, count }, { now }) => previewSchedule(schedule, from ?? null, count, now()),
  }),
)

const MAX_INSTANTS = 1_000

function previewSchedule(input: ScheduleInput, from: Instant | null, count: number, now: Instant): Preview {
  const countErrors =
    count < 0 || count > MAX_INSTANTS
      ? [userError(count < 0 ? 'INVALID' : 'TOO_MANY', ['count'], `count is ${count}; accepted: 0 to ${MAX_INSTANTS}.`)]
      : []
  const schedule = parseSchedule(input, { now, previous: null })
  const errors = [...countErrors, ...(schedule.ok ? [] : schedule.errors)]
  if (errors.length > 0 || !schedule.ok) return { next: [], description: null, warnings: [], errors }
  return {
    next: instantsOf(schedule.value, from ?? now, count, now),
    description: describeSchedule(schedule.value),
    warnings: warningsOf(schedule.value, from ?? now),
    errors: [],
  }
}

/** As if the job were created now: what lies between now and a later `from` counts towards `maxRuns`. */
function instantsOf(schedule: Schedule, from: Instant, count: number, now: Instant): Instant[] {
  const occurrences = occurrencesOf(schedule)
  const runsLeft = schedule.kind === 'once' || schedule.maxRuns === null ? count : schedule.maxRuns - occurrences.count(now, from)
  return takeInstants(occurrences, from, Math.min(count, runsLeft))
}
