import { planBackfill } from '../domain/backfill.ts'
import { refused, type UserError, userError } from '../domain/errors.ts'
import { type Instant, toIso } from '../domain/instant.ts'
import type { Job } from '../domain/job.ts'
import { occurrencesOf } from '../domain/occurrences.ts'
import { plannedBy } from '../domain/planned.ts'
import { type CommandContext, closeUpToNow, newId } from './context.ts'
import type { BackfillInput, Caller, CommandResult } from './inputs.ts'
import { instantsWithoutRun, type Search } from './instantsWithoutRun.ts'
import { noSuchJob } from './refusals.ts'

/** Runs that one call makes at most. */
const MOST_RUNS = 1_000
/** Instants that one call looks through at most. */
const MOST_INSTANTS = 10_000_000
/** Runs stored in one transaction: some milliseconds. */
const BATCH = 100

/** `planned`: instants of the schedule in the window. `created`: the runs made, in the order of their instants. */
export type Backfilled = { readonly planned: number; readonly created: readonly string[] }

/**
 * Makes runs for the instants of the job's current schedule in [from, to] that have none. Misfires, catch-up window, pause and maxRuns
 * play no part; the overlap policy is BUFFER_ALL unless given.
 */
export async function backfillJob(context: CommandContext, input: BackfillInput, caller: Caller): Promise<CommandResult<Backfilled>> {
  for (;;) {
    const now = context.now()
    const faults = windowFaults(input, now)
    if (faults.length > 0) return refused(...faults)
    const job = await decide(context, input, now)
    if (job === null) return refused(noSuchJob(input.id))

    const search = {
      jobId: job.id,
      after: input.from - 1,
      upTo: input.to,
      occurrences: occurrencesOf(job.schedule),
      planned: plannedBy(await context.store.revisions(job.id)),
    }
    const planned = search.occurrences.count(search.after, search.upTo)
    if (planned > MOST_INSTANTS) return refused(tooMany(`${planned} instants`, `${MOST_INSTANTS} to look through`))
    const { instants, count } = await instantsWithoutRun(context.store, search, MOST_RUNS)
    if (count > MOST_RUNS) return refused(tooMany(`${count} instants without a run`, `${MOST_RUNS} a call`))
    const created = await makeRuns(context, { job, instants, planned: search.planned, input, caller })
    if (created === 'gone') return refused(noSuchJob(input.id))
    if (created !== 'moved-on') return { ok: true, value: { planned, created } }
  }
}

function windowFaults({ from, to }: BackfillInput, now: Instant): readonly UserError[] {
  const faults: UserError[] = []
  if (from > to) faults.push(userError('INVALID', ['from'], `from is ${toIso(from)}, after to (${toIso(to)}); accepted: at or before it.`))
  if (to > now)
    faults.push(userError('INVALID', ['to'], `to is ${toIso(to)}, which is still to come; accepted: up to now (${toIso(now)}).`))
  return faults
}

function tooMany(what: string, accepted: string): UserError {
  return userError('TOO_MANY', ['to'], `The window has ${what}; accepted: at most ${accepted}. Give a shorter window.`)
}

/**
 * Gives every instant of the window its verdict, so that none of them is decided once more later; as every command does, by deciding all
 * up to now. Where the planner has passed the window nothing is decided before its time. Answers the job; null: there is none.
 */
async function decide(context: CommandContext, { id, to }: BackfillInput, now: Instant): Promise<Job | null> {
  const result = await context.store.changeJob<'gone'>(id, (current) => {
    if (current === null) return { refuse: 'gone' }
    const newest = current.position.completed ? null : occurrencesOf(current.job.schedule).previous(to)
    if (newest === null || newest <= current.position.plannedUntil) return { event: null, now }
    return { plan: closeUpToNow(current, now).plan, event: null, now }
  })
  return result.kind === 'written' ? result.job : null
}

interface Making {
  /** As it was when the instants were looked for. */
  readonly job: Job
  readonly instants: readonly Instant[]
  readonly planned: Search['planned']
  readonly input: BackfillInput
  readonly caller: Caller
}

/** A few at a time: between two batches whatever is due fires. A schedule that was changed before the first of them has other instants. */
async function makeRuns(context: CommandContext, making: Making): Promise<readonly string[] | 'gone' | 'moved-on'> {
  const { job, instants, planned, input, caller } = making
  const created: string[] = []
  const own = new Set<string>()
  for (let done = 0; done < instants.length; done += BATCH) {
    let batch: readonly string[] = []
    const result = await context.store.changeJob<'gone' | 'moved-on'>(
      job.id,
      (current) => {
        if (current === null) return { refuse: 'gone' }
        if (done === 0 && current.job.revision !== job.revision) return { refuse: 'moved-on' }
        const now = context.now()
        const backfill = planBackfill({
          job: current.job,
          active: current.active,
          own,
          moments: current.ledger,
          planned,
          overlap: input.overlap ?? 'BUFFER_ALL',
          by: caller.name,
          now,
          newRunId: () => newId('run', now),
        })
        batch = backfill.runs.map(({ id }) => id)
        return { ...backfill, event: null, now }
      },
      { ledgerAt: instants.slice(done, done + BATCH) },
    )
    if (result.kind === 'refused') return result.refusal
    for (const id of batch) {
      created.push(id)
      own.add(id)
    }
  }
  return created
}
