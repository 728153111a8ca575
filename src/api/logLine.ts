import type { LogLevel } from '../domain/run.ts'
import type { LogLineRow } from '../engine/store/store.ts'
import { builder, described } from './builder.ts'
import { connectionType } from './connection.ts'
import type { ApiContext } from './context.ts'
import { type Page, type PageArgs, readPage } from './pagination.ts'
import { RunType } from './run.ts'

const LogLevelType = builder.enumType('LogLevel', {
  description: 'How much a log line matters.',
  values: described<LogLevel>({
    DEBUG: 'For whoever looks for a fault.',
    INFO: 'What goes on; standard output of a command.',
    WARN: 'What may be wrong; standard error of a command.',
    ERROR: 'What went wrong.',
  }),
})

export const LogLineType = builder.objectRef<LogLineRow>('LogLine').implement({
  description: 'What a target said in the course of a run.',
  fields: (t) => ({
    seq: t.exposeInt('seq', {
      description:
        'Its number within the run: the first line has 1, and retries go on counting. Of a log beyond 8 MB the head and the newest lines are kept; the numbers that are missing are those of lines that were cut, and a line of level WARN stands where they were.',
    }),
    at: t.field({ type: 'DateTime', description: 'When it was written.', resolve: (line) => line.at }),
    attempt: t.exposeInt('attempt', { description: 'Number of the attempt that wrote it.' }),
    level: t.field({ type: LogLevelType, description: 'How much it matters.', resolve: (line) => line.level }),
    message: t.string({
      description: 'The text, at most 16 KiB; longer ones end in "…".',
      resolve: (line, _args, { answerSize }) => answerSize.take(line.message),
    }),
    fields: t.field({
      type: 'JSON',
      nullable: true,
      description: 'What was written beside the text, for machines. Null: nothing.',
      resolve: (line, _args, { answerSize }) => answerSize.json(line.fields),
    }),
  }),
})

const LogLineConnectionType = connectionType('LogLine', LogLineType, 'log lines', { counted: false })

const MAX_LINES = 1_000

builder.objectField(RunType, 'logs', (t) =>
  t.field({
    type: LogLineConnectionType,
    nullable: true,
    description: 'What it logged so far, first line first, of all its attempts. `runLogs` follows it live.',
    args: {
      first: t.arg.int({
        description:
          'The first so many of the lines, counted from `after` where given: 0 to 1,000; 50 where neither `first` nor `last` is given.',
      }),
      after: t.arg.string({ description: 'Only what comes after this cursor, of a line of this run.' }),
      last: t.arg.int({
        description: 'The last so many of the lines, counted from `before` where given: 0 to 1,000. Not together with `first`.',
      }),
      before: t.arg.string({ description: 'Only what comes before this cursor, of a line of this run.' }),
    },
    resolve: (run, page, context) => listLines(context, run.id, page),
  }),
)

/** A page of a run's lines. */
function listLines({ lists }: ApiContext, runId: string, page: PageArgs): Promise<Page<LogLineRow>> {
  const seqOf = (key: { readonly value: unknown } | null) => (typeof key?.value === 'number' ? key.value : null)
  return readPage(
    {
      order: { name: `LINES.${runId}`, by: 'number' },
      keyOf: ({ seq }) => ({ value: seq, id: '' }),
      read: ({ after, before, ...bounds }) => lists.logLines({ runId, after: seqOf(after), before: seqOf(before), ...bounds }),
    },
    page,
    MAX_LINES,
  )
}
