import { type Checked, refused, type UserError, userError, valid } from './errors.ts'
import { ANY_SUCCESS } from './expectStatus.ts'
import type { HttpHeader, HttpMethod, HttpTarget, Target } from './job.ts'

export interface TargetInput {
  readonly http?: HttpTargetInput | null | undefined
  readonly handler?: { readonly handler: string } | null | undefined
  readonly command?: { readonly executable: string; readonly args?: readonly string[] | null | undefined } | null | undefined
}

export interface HttpTargetInput {
  readonly url: string
  readonly method: HttpMethod
  readonly headers?: readonly HttpHeaderInput[] | null | undefined
  readonly expectStatus?: readonly string[] | null | undefined
  readonly secret?: string | null | undefined
}

export interface HttpHeaderInput {
  readonly name: string
  readonly value?: string | null | undefined
  readonly secret: boolean
}

/** What a job does whose target was left out. */
export const DEFAULT_TARGET: Target = Object.freeze({ kind: 'handler', handler: 'log' })

/** Whether a worker that has these handlers (null: any) performs a target. */
export function isHandled(target: Target, handlers: ReadonlySet<string> | null): boolean {
  return handlers === null || target.kind !== 'handler' || handlers.has(target.handler)
}

/**
 * The target that an input describes. Secrets that the input leaves out are taken from `previous`, the target as it stands; whether
 * the target may be reached or run is for the workers' rules to say.
 */
export function readTarget(input: TargetInput, previous: Target | null): Checked<Target> {
  if (input.http) return readHttpTarget(input.http, previous?.kind === 'http' ? previous : null)
  if (input.handler) return valid({ kind: 'handler', handler: input.handler.handler })
  if (input.command) return valid({ kind: 'command', executable: input.command.executable, args: [...(input.command.args ?? [])] })
  return refused(userError('INVALID', ['target'], 'Give exactly one of http, handler and command.'))
}

function readHttpTarget(input: HttpTargetInput, previous: HttpTarget | null): Checked<Target> {
  const headers: HttpHeader[] = []
  const errors: UserError[] = []
  for (const [index, given] of (input.headers ?? []).entries()) {
    const value = given.value ?? storedSecret(previous, given)
    if (value === null)
      errors.push(
        userError(
          'INVALID',
          ['target', 'http', 'headers', String(index), 'value'],
          `The header ${given.name} has no value, and none is stored for a secret header of that name.`,
        ),
      )
    else headers.push({ name: given.name, value, secret: given.secret })
  }
  if (errors.length > 0) return refused(...errors)
  return valid({
    kind: 'http',
    url: input.url,
    method: input.method,
    headers,
    expectStatus: input.expectStatus && input.expectStatus.length > 0 ? [...input.expectStatus] : ANY_SUCCESS,
    secret: input.secret === undefined ? (previous?.secret ?? null) : input.secret,
  })
}

function storedSecret(previous: HttpTarget | null, given: HttpHeaderInput): string | null {
  if (!given.secret) return null
  return previous?.headers.find((header) => header.secret && header.name.toLowerCase() === given.name.toLowerCase())?.value ?? null
}
