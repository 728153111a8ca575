import type { Instant } from '../../../domain/instant.ts'
import type { AttemptKey, Claim, Store } from '../store.ts'
import { instantArray } from './columns.ts'
import type { Session } from './database.ts'

const FOUND = `SELECT id AS "runId", attempt FROM "Run" WHERE status = 'RUNNING' AND "leaseUntil" = ANY($2::timestamptz[]) AND "instanceId" = $1`

/**
 * Claims whose transaction failed for want of the database. Where only the answer to its COMMIT was lost, attempts have begun that nobody
 * performs: they would be LOST with the end of their lease, and each would have cost its run an attempt. They are INTERRUPTED as soon as the
 * database answers again, which costs none, and begin anew.
 *
 * They are known by the end of their lease, which no other claim of the process shares (room.ts). A server may perform such a COMMIT after
 * its client has given up, so a claim is looked for until its lease is over.
 */
export class DoubtfulClaims {
  readonly #db: Session
  readonly #settle: Store['settle']
  #claims: Claim[] = []

  constructor(db: Session, settle: Store['settle']) {
    this.#db = db
    this.#settle = settle
  }

  readonly note = (claim: Claim): void => {
    this.#claims.push(claim)
  }

  /** Rejects where the database is away still. */
  async undo(now: Instant): Promise<void> {
    if (this.#claims.length === 0) return
    const looked = this.#claims
    const { instanceId } = looked[0]!
    const begun = await this.#db.rows<AttemptKey>(FOUND, [instanceId, instantArray(looked.map(({ leaseUntil }) => leaseUntil))])
    await this.#settle(begun.map((key) => ({ ...key, outcome: { kind: 'INTERRUPTED' }, now, random: 0 })))
    this.#claims = this.#claims.filter((claim) => claim.leaseUntil > now || !looked.includes(claim))
  }
}
