import type { Store } from '../engine/store/store.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { StreamError } from './errors.ts'
import type { Start } from './liveSource.ts'

/** Where a stream starts: after a cursor, or with what happens next. `floor`: the lowest position that it can be resumed from. */
export async function startAt(store: Store, after: string | null, floor: () => Promise<number>): Promise<Start> {
  if (after === null) return { position: await store.streamHead(), behind: false }
  const position = await resumeFrom(store, after, floor())
  return { position, behind: position < (await store.streamHead()) }
}

export async function positionOf(start: Promise<Start>): Promise<number> {
  return (await start).position
}

/**
 * The position after which a stream goes on from a cursor. `floor`: the lowest that it can be resumed from.
 * @throws StreamError CURSOR_INVALID or CURSOR_EXPIRED
 */
async function resumeFrom(store: Store, cursor: string, floor: Promise<number>): Promise<number> {
  const position = decodeCursor(store.databaseId, cursor)
  // Not the head: another process may have told of more already than this one may read.
  const [given, lowest] = await Promise.all([store.streamGiven(), floor])
  if (position > given) {
    throw new StreamError(
      'CURSOR_INVALID',
      'The cursor is ahead of the stream: the database was put back to an earlier state. Read anew, then subscribe from `streamPosition`.',
    )
  }
  refuseExpired(store, position, lowest)
  return position
}

/**
 * Whoever has been told all up to `position` can be told the rest only from `floor` on.
 * @throws StreamError CURSOR_EXPIRED
 */
export function refuseExpired({ databaseId }: Store, position: number, floor: number): void {
  if (position >= floor) return
  const oldest = encodeCursor(databaseId, floor)
  throw new StreamError('CURSOR_EXPIRED', `The cursor is older than what is kept. The oldest good one is "${oldest}".`, oldest)
}
