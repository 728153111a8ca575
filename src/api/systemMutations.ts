import { builder } from './builder.ts'
import { readAnew } from './context.ts'
import { callerOf } from './fresh.ts'
import { SystemType } from './system.ts'
import { payloadType, toPayload } from './userError.ts'

const PauseSchedulingInput = builder.inputType('PauseSchedulingInput', {
  description: 'A pause of the whole scheduling.',
  fields: (t) => ({
    note: t.string({ required: true, description: 'Why, for the next person; 1 to 1,000 characters.' }),
    until: t.field({ type: 'DateTime', description: 'When it ends by itself, exclusive. Left out: when resumed.' }),
  }),
})

function systemPayload(name: string, description: string) {
  return payloadType<null>(name, description, (t) => ({
    system: t.field({
      type: SystemType,
      description: 'The system as it now stands.',
      resolve: (_payload, _args, context) => {
        readAnew(context)
        return context
      },
    }),
  }))
}

const PauseSchedulingPayload = systemPayload('PauseSchedulingPayload', 'What became of a pause of the whole scheduling.')
const ResumeSchedulingPayload = systemPayload('ResumeSchedulingPayload', 'What became of a resumption of the whole scheduling.')

builder.mutationFields((t) => ({
  pauseScheduling: t.field({
    type: PauseSchedulingPayload,
    description:
      'Maintenance: no job fires until resumed. Instants are skipped as of a paused job, runs that exist go on, and runs can still be triggered by hand. Pausing again replaces note and end. Needs the scope OPERATE.',
    args: { input: t.arg({ type: PauseSchedulingInput, required: true, description: 'Why, and until when.' }) },
    resolve: (_root, { input }, context) => toPayload(context.commands.pauseScheduling(input, callerOf(context)), () => null),
  }),
  resumeScheduling: t.field({
    type: ResumeSchedulingPayload,
    description:
      'Ends the maintenance: jobs fire again from their next instants on. Where the scheduling is not paused it does nothing. Needs the scope OPERATE.',
    resolve: (_root, _args, context) => toPayload(context.commands.resumeScheduling(callerOf(context)), () => null),
  }),
}))
