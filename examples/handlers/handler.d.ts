// What a handler module may export, for editors and type checkers. Copy this file beside your own handlers: it is types alone, needs
// nothing else of Orrery, and is not itself read as a handler.

export interface HandlerContext<Payload = unknown> {
  readonly runId: string
  readonly jobName: string
  /** From 1. */
  readonly attempt: number
  readonly trigger: 'SCHEDULE' | 'MANUAL' | 'BACKFILL' | 'RERUN'
  /** The nominal instant that the run stands for. */
  readonly scheduledFor: Date
  /** `scheduledFor` and the schedule's jitter. */
  readonly dueAt: Date
  /** How many missed instants besides its own the run stands for. */
  readonly coalesced: number
  /** The run's payload as the schema gives it, or without a schema as it is; undefined where there is none. */
  readonly payload: Payload
  /** Aborted when the attempt shall end: its timeout, a cancel, a shutdown. The reason's message says which. */
  readonly signal: AbortSignal
  readonly log: Readonly<Record<'debug' | 'info' | 'warn' | 'error', (message: string, fields?: object) => void>>
  /** 0 to 100. */
  progress(percent: number): void
}

export type Run<Payload = unknown> = (context: HandlerContext<Payload>) => unknown

export interface Handler<Payload = unknown> {
  /** Default: the file's name without its extension. */
  readonly name?: string
  readonly description?: string
  /** Any Standard Schema (https://standardschema.dev), such as a zod, valibot or arktype schema. */
  readonly schema?: PayloadSchema<Payload>
  /** What it returns is the run's output: JSON of at most 64 KiB. */
  readonly run: Run<Payload>
}

export interface PayloadSchema<Payload> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => Accepted<Payload> | Refused | Promise<Accepted<Payload> | Refused>
    /** Shown by the API's `handlers`. */
    readonly jsonSchema?: { readonly input: (options: { readonly target: string }) => Record<string, unknown> }
  }
}

interface Accepted<Payload> {
  readonly value: Payload
  readonly issues?: undefined
}

interface Refused {
  readonly issues: readonly { readonly message: string; readonly path?: readonly PropertyKey[] }[]
}
