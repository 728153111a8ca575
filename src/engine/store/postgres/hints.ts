import type { PostgresBus } from '../../bus/postgresBus.ts'
import type { Effects } from './database.ts'

/** Tells what a transaction did, after its commit. None of the listeners throws. */
export function tell(bus: PostgresBus, { head, wakeAt, runsWait, ready, cancels, logged }: Effects): void {
  if (head > 0) bus.publish({ kind: 'changes', upTo: head })
  if (wakeAt !== undefined) bus.publish({ kind: 'jobs', wakeAt })
  if (runsWait) bus.publish({ kind: 'runs' })
  // Others hear of these by rings, one process of each.
  else if (ready.length > 0) bus.publishHere({ kind: 'runs' })
  if (cancels.length > 0) bus.publish({ kind: 'cancels', runIds: cancels })
  if (logged.length > 0) bus.publish({ kind: 'logs', runIds: logged })
}
