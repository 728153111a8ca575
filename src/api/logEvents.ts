import type { LogEvent } from '../stream/logStream.ts'
import { builder } from './builder.ts'
import { LogLineType } from './logLine.ts'

const LogLineEventType = builder.objectRef<LogEvent>('LogLineEvent').implement({
  description: 'A log line of the run that is followed.',
  fields: (t) => ({
    cursor: t.field({
      type: 'Cursor',
      description: 'All lines up to this one have been told. Keep it, and send it as `after` of the same run to go on from here.',
      resolve: (event) => event.cursor,
    }),
    line: t.field({ type: LogLineType, description: 'The line.', resolve: (event) => event.line }),
  }),
})

builder.subscriptionField('runLogs', (t) =>
  t.field({
    type: LogLineEventType,
    description:
      'The log of a run as it is written: the lines so far, then live, in order and each once, through all attempts. It completes when the run has ended and all lines were told, or when the run is removed. Numbers that are missing between two lines are those of lines that were cut before they could be told. An unknown run answers NOT_FOUND; an `after` that is no cursor of this log CURSOR_INVALID.',
    args: {
      runId: t.arg.id({ required: true, description: 'The run, `run_…`.' }),
      after: t.arg({ type: 'Cursor', description: 'Go on behind this line of this run. Left out: with the first line.' }),
    },
    subscribe: (_root, { runId, after }, { logStream }) => logStream.runLogs({ runId, after: after ?? null }),
    resolve: (event) => event,
  }),
)
