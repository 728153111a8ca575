import type { Bus } from '../../bus/bus.ts'
import type { Effects } from './database.ts'

/** Tells what a transaction did, after its commit. None of the listeners throws. */
export function tell(bus: Bus, { head, wakeAt, runsWait, ready, cancels, logged }: Effects): void {
  if (head > 0) bus.publish({ kind: 'changes', upTo: head })
  if (wakeAt !== undefined) bus.publish({ kind: 'jobs', wakeAt })
  if (runsWait || ready.length > 0) bus.publish({ kind: 'runs' })
  if (cancels.length > 0) bus.publish({ kind: 'cancels', runIds: cancels })
  if (logged.length > 0) bus.publish({ kind: 'logs', runIds: logged })
}
