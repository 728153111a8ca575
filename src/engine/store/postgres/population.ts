import type { Instant } from '../../../domain/instant.ts'
import type { Population } from '../figures.ts'
import { RememberedPopulation } from '../rememberedPopulation.ts'
import type { Store } from '../store.ts'
import { instantText } from './columns.ts'
import type { Reader } from './database.ts'

type Counts = Omit<Population, 'active'> & { readonly completed: number }

// Each count from an index that holds little else. Rows of deleted jobs are soon removed; until then they are looked at.
const COUNT = `SELECT
  (SELECT count(*) FROM "Job" WHERE "liveName" IS NOT NULL) AS jobs,
  (SELECT count(*) FROM "JobPosition" p JOIN "Job" j ON j.id = p."jobId" WHERE p.completed AND j."deletedAt" IS NULL) AS completed,
  (SELECT count(*) FROM "Job" j JOIN "JobPosition" p ON p."jobId" = j.id WHERE j."pauseSince" IS NOT NULL AND j."deletedAt" IS NULL
     AND (j."pauseUntil" IS NULL OR j."pauseUntil" > $1::timestamptz) AND NOT p.completed) AS paused,
  r.queued, r.running
  FROM (SELECT count(*) FILTER (WHERE status = 'QUEUED') AS queued, count(*) FILTER (WHERE status = 'RUNNING') AS running
     FROM "Run" WHERE "finishedAt" IS NULL) r`

/** The verb `population`. */
export function population(reader: Reader): Pick<Store, 'population'> {
  const remembered = new RememberedPopulation((now) => count(reader, now))
  return { population: (now) => remembered.of(now) }
}

async function count(reader: Reader, now: Instant): Promise<Population> {
  const [counts] = await reader.rows<Counts>(COUNT, [instantText(now)])
  const { completed, ...rest } = counts!
  return { ...rest, active: rest.jobs - completed - rest.paused }
}
