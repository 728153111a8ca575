import type { FieldMap } from '@pothos/core'
import type { CommandResult } from '../commands/inputs.ts'
import type { ErrorCode, UserError } from '../domain/errors.ts'
import { builder, described } from './builder.ts'

const ErrorCodeType = builder.enumType('ErrorCode', {
  description: 'What kind of thing is wrong with a request.',
  values: described<ErrorCode>({
    INVALID: 'A value that is not accepted; the message says what is.',
    NOT_FOUND: 'There is no such job or run.',
    NAME_TAKEN: 'A job of that name exists already.',
    VERSION_CONFLICT: 'The job was changed since `expectedVersion`; read it again.',
    CONFLICTING_POLICIES: 'Policies that contradict each other.',
    NEVER_FIRES: 'A schedule without a single instant.',
    IN_THE_PAST: 'An instant that has passed already.',
    TOO_MANY: 'More than the limit that the message names.',
    TOO_LARGE: 'Larger than the limit that the message names.',
    NOT_ALLOWED: 'The operator of this system does not allow it: an address that is not public, an executable that is not listed.',
    OVERLAP: 'Another run of the job is active, and the overlap policy skips this one. Nothing was stored.',
    ALREADY_FINISHED: 'The run has ended.',
    IDEMPOTENCY_MISMATCH: 'The idempotency key was used with another input.',
  }),
})

export const UserErrorType = builder.objectRef<UserError>('UserError').implement({
  description: 'One thing that is wrong with a request, as data.',
  fields: (t) => ({
    code: t.field({ type: ErrorCodeType, description: 'What kind of thing is wrong.', resolve: (error) => error.code }),
    message: t.exposeString('message', { description: 'What came and what is accepted, in English.' }),
    path: t.field({
      type: ['String'],
      description:
        'Where in the input: `["schedule", "cron", "expression"]`, list positions as numbers in text. Empty: the request as a whole.',
      resolve: (error) => error.path,
    }),
  }),
})

/** What a mutation answers: what the command gave, or null and everything that is wrong. */
export interface Payload<Value> {
  readonly value: Value | null
  readonly errors: readonly UserError[]
}

type Fields<Value> = PothosSchemaTypes.ObjectFieldBuilder<(typeof builder)['$inferSchemaTypes'], Payload<Value>>

/** The type of a payload: the fields given, and `errors`. */
export function payloadType<Value>(name: string, description: string, fields: (t: Fields<Value>) => FieldMap) {
  return builder.objectRef<Payload<Value>>(name).implement({
    description,
    fields: (t) => ({
      ...fields(t),
      errors: t.field({
        type: [UserErrorType],
        description: 'Everything that is wrong with the request; empty where it was done.',
        resolve: ({ errors }) => errors,
      }),
    }),
  })
}

/** The payload of a command: its value, read anew by `read`, or its errors. */
export async function toPayload<Result, Value>(
  command: Promise<CommandResult<Result>>,
  read: (result: Result) => Promise<Value> | Value,
): Promise<Payload<Value>> {
  const result = await command
  return result.ok ? { value: await read(result.value), errors: [] } : { value: null, errors: result.errors }
}
