import { describeSchedule } from '../domain/describeSchedule.ts'
import type { CronSchedule, DayMatch, FoldPolicy, GapPolicy, IntervalSchedule, OnceSchedule, Schedule } from '../domain/schedule.ts'
import { builder, described } from './builder.ts'

const DayMatchType = builder.enumType('DayMatch', {
  description: 'How a cron expression that restricts both the day of the month and the day of the week reads.',
  values: described<DayMatch>({ ANY: 'Days that fit either field, as crontab reads it.', ALL: 'Days that fit both fields.' }),
})

const GapPolicyType = builder.enumType('GapPolicy', {
  description: 'What a fixed wall-clock time does on a day whose clock change skips it.',
  values: described<GapPolicy>({
    FIRE_AFTER: 'Fires at the first instant after the gap; several in one gap fire once.',
    SHIFT: 'Fires later by the length of the gap.',
    SKIP: 'Does not fire that day.',
  }),
})

const FoldPolicyType = builder.enumType('FoldPolicy', {
  description: 'What a fixed wall-clock time does on a day whose clock change repeats it.',
  values: described<FoldPolicy>({ FIRST: 'Fires the first time.', SECOND: 'Fires the second time.', BOTH: 'Fires both times.' }),
})

const TYPE_NAMES = { interval: 'IntervalSchedule', cron: 'CronSchedule', once: 'OnceSchedule' } as const

export const ScheduleType = builder.interfaceRef<Schedule>('Schedule').implement({
  description: 'When a job fires: by interval, cron expression, or once.',
  resolveType: (schedule) => TYPE_NAMES[schedule.kind],
  fields: (t) => ({
    description: t.string({ description: 'In plain English.', resolve: (schedule) => describeSchedule(schedule) }),
    jitter: t.field({
      type: 'Duration',
      nullable: true,
      description: 'Each fire is delayed by up to so long, always the same for one job and instant. Null: not at all.',
      resolve: (schedule) => schedule.jitter,
    }),
  }),
})

const START_AT = 'No instant before this one; inclusive.'
const END_AT = 'No instant after this one; inclusive.'
const MAX_RUNS = 'The schedule ends after so many scheduled runs; manual ones do not count.'
const ORELSE = ' Null: no bound.'

builder.objectRef<IntervalSchedule>('IntervalSchedule').implement({
  description: 'Fires every so long, in elapsed time: at `anchor` and whole multiples of `every` from it.',
  interfaces: [ScheduleType],
  fields: (t) => ({
    every: t.field({ type: 'Duration', description: 'Distance from one instant to the next.', resolve: (schedule) => schedule.every }),
    anchor: t.field({
      type: 'DateTime',
      description: 'The instant that all others are counted from.',
      resolve: (schedule) => schedule.anchor,
    }),
    startAt: t.field({ type: 'DateTime', nullable: true, description: START_AT + ORELSE, resolve: (schedule) => schedule.startAt }),
    endAt: t.field({ type: 'DateTime', nullable: true, description: END_AT + ORELSE, resolve: (schedule) => schedule.endAt }),
    maxRuns: t.exposeInt('maxRuns', { nullable: true, description: MAX_RUNS + ORELSE }),
  }),
})

builder.objectRef<CronSchedule>('CronSchedule').implement({
  description: 'Fires when the wall clock of a time zone matches an expression.',
  interfaces: [ScheduleType],
  fields: (t) => ({
    expression: t.exposeString('expression', {
      description: 'As it was given: 5 fields (minute first), 6 (second first), or a name such as @daily.',
    }),
    timezone: t.exposeString('timezone', { description: 'IANA name, as it was given.' }),
    dayMatch: t.field({
      type: DayMatchType,
      description: 'How two restricted day fields combine.',
      resolve: (schedule) => schedule.dayMatch,
    }),
    gap: t.field({
      type: GapPolicyType,
      description: 'What happens to a time that a clock change skips.',
      resolve: (schedule) => schedule.gap,
    }),
    fold: t.field({
      type: FoldPolicyType,
      description: 'What happens to a time that a clock change repeats.',
      resolve: (schedule) => schedule.fold,
    }),
    startAt: t.field({ type: 'DateTime', nullable: true, description: START_AT + ORELSE, resolve: (schedule) => schedule.startAt }),
    endAt: t.field({ type: 'DateTime', nullable: true, description: END_AT + ORELSE, resolve: (schedule) => schedule.endAt }),
    maxRuns: t.exposeInt('maxRuns', { nullable: true, description: MAX_RUNS + ORELSE }),
  }),
})

builder.objectRef<OnceSchedule>('OnceSchedule').implement({
  description: 'Fires at a single instant.',
  interfaces: [ScheduleType],
  fields: (t) => ({
    at: t.field({ type: 'DateTime', description: 'The instant.', resolve: (schedule) => schedule.at }),
  }),
})

const JITTER = 'Delay each fire by up to so long, always the same for one job and instant; never past the next instant.'

const IntervalInput = builder.inputType('IntervalInput', {
  description: 'Every so long, in elapsed time: no drift, and no care for clock changes.',
  fields: (t) => ({
    every: t.field({ type: 'Duration', required: true, description: 'Distance from one instant to the next; at least 1 s.' }),
    anchor: t.field({
      type: 'DateTime',
      description: 'The instant that all others are counted from. Default: `startAt`, else the moment of creation.',
    }),
    startAt: t.field({ type: 'DateTime', description: START_AT }),
    endAt: t.field({ type: 'DateTime', description: END_AT }),
    maxRuns: t.int({ description: MAX_RUNS }),
    jitter: t.field({ type: 'Duration', description: JITTER }),
  }),
})

const CronInput = builder.inputType('CronInput', {
  description: 'When the wall clock of a time zone matches an expression.',
  fields: (t) => ({
    expression: t.string({
      required: true,
      description:
        '5 fields (minute hour day-of-month month day-of-week), 6 (second first), or @yearly @annually @monthly @weekly @daily @midnight @hourly. Names, ranges, steps, lists, `?`, `L`, `L-n`, `nW`, `LW`, `n#k` and `kL` are understood.',
    }),
    timezone: t.string({
      required: true,
      defaultValue: 'UTC',
      description: 'IANA name such as Europe/Berlin. Offsets and abbreviations are refused.',
    }),
    dayMatch: t.field({ type: DayMatchType, required: true, defaultValue: 'ANY', description: 'How two restricted day fields combine.' }),
    gap: t.field({
      type: GapPolicyType,
      required: true,
      defaultValue: 'FIRE_AFTER',
      description: 'What happens to a time that a clock change skips.',
    }),
    fold: t.field({
      type: FoldPolicyType,
      required: true,
      defaultValue: 'FIRST',
      description: 'What happens to a time that a clock change repeats.',
    }),
    startAt: t.field({ type: 'DateTime', description: START_AT }),
    endAt: t.field({ type: 'DateTime', description: END_AT }),
    maxRuns: t.int({ description: MAX_RUNS }),
    jitter: t.field({ type: 'Duration', description: JITTER }),
  }),
})

const OnceInput = builder.inputType('OnceInput', {
  description: 'At a single instant.',
  fields: (t) => ({
    at: t.field({ type: 'DateTime', required: true, description: 'The instant; not in the past.' }),
    jitter: t.field({ type: 'Duration', description: JITTER }),
  }),
})

export const ScheduleInputType = builder.inputType('ScheduleInput', {
  description: 'When a job shall fire: exactly one of these.',
  isOneOf: true,
  fields: (t) => ({
    interval: t.field({ type: IntervalInput, description: 'Every so long.' }),
    cron: t.field({ type: CronInput, description: 'By a cron expression in a time zone.' }),
    once: t.field({ type: OnceInput, description: 'At a single instant.' }),
  }),
})
