import { type Milliseconds, SECOND } from '../../../domain/instant.ts'
import { StoreUnavailable } from '../../errors.ts'

/** As long as a statement may take: what waits longer for its turn waits for a database that stands still. */
const PATIENCE: Milliseconds = 30 * SECOND

/**
 * Gives up a call that waits for its turn behind others: while a database stands still instead of being away, nobody is answered and more
 * come. Neither do all of them stay in memory, nor is done at last what its caller has long given up. Answers a function that says its turn has come.
 */
export function giveUpLater(giveUp: (error: StoreUnavailable) => void): () => void {
  const timer = setTimeout(() => giveUp(new StoreUnavailable(`its turn had not come after ${PATIENCE} ms`)), PATIENCE).unref()
  return () => clearTimeout(timer)
}
