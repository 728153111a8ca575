import { setTimeout as delay } from 'node:timers/promises'
import { request } from '../graphqlClient.ts'
import type { Acknowledged } from './callers.ts'
import type { Follower } from './follower.ts'
import { activeRuns } from './productsWord.ts'
import type { Receiver } from './receiver.ts'
import type { Tables } from './tables.ts'

// What is done and looked up when the chaos is over.

/** Ends the firing, so that what is under way can end. */
export async function stopFiring(url: string): Promise<void> {
  await request(url, 'mutation { pauseScheduling(input: { note: "The end." }) { errors { code } } }')
}

/** Waits for the active runs to end, cancels those that do not in time, and tells of those that do not even then. */
export async function becomesQuiet(
  url: string,
  { patience, tell }: { readonly patience: number; readonly tell: (text: string) => void },
): Promise<string[]> {
  const settles = async (limit: number) => {
    const deadline = Date.now() + limit
    while ((await activeRuns(url)).length > 0 && Date.now() < deadline) await delay(250)
    return activeRuns(url)
  }
  const left = await settles(patience)
  if (left.length > 0) tell(`${left.length} runs are active still and are cancelled now`)
  for (const { id } of left) await request(url, 'mutation ($id: ID!) { cancelRun(input: { id: $id }) { errors { code } } }', { id })
  return (await settles(15_000)).map(({ id, status }) => `${id} is ${status} 15 s after it was cancelled`)
}

/** What was acknowledged and is not there. Deleted jobs take their runs along. */
export function brokenPromises(tables: Tables, { runs, versions, deleted }: Acknowledged): string[] {
  const jobs = new Map(tables.jobs.map((job) => [job.id, job]))
  const known = new Map(tables.runs.map((run) => [run.id, run]))
  const lostRuns = [...runs]
    .filter(([id, jobId]) => !deleted.has(jobId) && jobs.get(jobId)?.deletedAt === null && known.get(id)?.finishedAt == null)
    .map(
      ([id, jobId]) => `the run ${id} of ${jobId} was acknowledged and ${known.has(id) ? `is ${known.get(id)!.status}` : 'is not there'}`,
    )
  const lostJobs = [...versions]
    .filter(([id, version]) => !deleted.has(id) && (jobs.get(id) === undefined || jobs.get(id)!.version < version))
    .map(
      ([id, version]) =>
        `the job ${id} was acknowledged at version ${version} and ${jobs.has(id) ? `is at ${jobs.get(id)!.version}` : 'is not there'}`,
    )
  const undead = [...deleted]
    .filter((id) => jobs.has(id) && jobs.get(id)!.deletedAt === null)
    .map((id) => `the deletion of ${id} was forgotten`)
  return [...lostRuns, ...lostJobs, ...undead]
}

/** Final states that the stream never told its one faithful reader. What came after its last cursor (a jitter's late run) it may not know. */
export function unheard(tables: Tables, { finals, position }: Pick<Follower, 'finals' | 'position'>): string[] {
  const living = new Set(tables.jobs.filter(({ deletedAt }) => deletedAt === null).map(({ id }) => id))
  return tables.runs
    .filter(({ jobId, finishedAt, cursor }) => living.has(jobId) && finishedAt !== null && cursor <= position)
    .filter(({ id, status }) => finals.get(id) !== status)
    .map(({ id, status }) => `${id} is ${status}, and the stream told ${finals.get(id) ?? 'nothing'}`)
}

/** As unheard, of all that has ended by now, told within some seconds by streams that nobody cuts any more: one that sleeps does not. */
export async function unheardWhileStanding(tables: Tables, follower: Follower): Promise<string[]> {
  const missing = () => unheard(tables, { finals: follower.finals, position: Number.POSITIVE_INFINITY })
  await follower.hears(() => missing().length === 0, 20_000)
  return missing().map((what) => `${what} while nothing cut it`)
}

/** Runs said to have succeeded whose request never came. */
export function undelivered(tables: Tables, { requests }: Receiver): string[] {
  const http = new Set(tables.jobs.filter(({ targetKind }) => targetKind === 'http').map(({ id }) => id))
  return tables.runs
    .filter(({ id, jobId, status }) => http.has(jobId) && status === 'SUCCEEDED' && !requests.has(id))
    .map(({ id }) => `${id} is SUCCEEDED, and its request never came`)
}
