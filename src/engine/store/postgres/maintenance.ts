import type { Pause } from '../../../domain/job.ts'
import type { Store } from '../store.ts'
import { instantText } from './columns.ts'
import type { Database, Session } from './database.ts'

const ALL = 'SELECT since, "until", note, by FROM "Maintenance" ORDER BY since'
// Against itself and all writers; whoever reads is let by. Few rows and few commands: nothing finer is worth its rules.
const LOCK = 'LOCK TABLE "Maintenance" IN SHARE ROW EXCLUSIVE MODE'
const WRITE = `INSERT INTO "Maintenance" (since, "until", note, by) VALUES ($1::timestamptz, $2::timestamptz, $3, $4)
  ON CONFLICT (since) DO UPDATE SET "until" = excluded."until", note = excluded.note, by = excluded.by`
const FORGET = 'DELETE FROM "Maintenance" WHERE "until" < $1::timestamptz'

/** All pauses of the whole scheduling that are kept, earliest first. Read each time: any process may have written one just now. */
export function allMaintenance(session: Session): Promise<readonly Pause[]> {
  return session.rows<Pause>(ALL)
}

/** The verbs on pauses of the whole scheduling. */
export function maintenance(database: Database): Pick<Store, 'maintenance' | 'changeMaintenance'> {
  return {
    maintenance: () => allMaintenance(database),
    changeMaintenance: (decide) =>
      database.transaction(async (tx) => {
        await tx.write(LOCK)
        const write = decide((await allMaintenance(tx)).at(-1) ?? null)
        if (write === null) return
        const { since, until, note, by } = write.pause
        await tx.write(WRITE, [instantText(since), until === null ? null : instantText(until), note, by])
        await tx.write(FORGET, [instantText(write.forgetBefore)])
      }),
  }
}
