import type { NewLogLine } from './store.ts'

/** What is kept of a run's first lines, and then of its newest, in bytes. */
const HEAD_BYTES = 4 * 1024 * 1024
const TAIL_BYTES = 4 * 1024 * 1024
/** A cut takes so much at once, so that a run that goes on logging is not cut at every line. */
const CUT_BYTES = 256 * 1024
/** A line that is longer than a cut is shortened: one line never takes the place of many. */
const LONGEST_LINE = CUT_BYTES
/** What a row costs besides its text. */
export const ROW_BYTES = 40
/** More lines than this are never in one cut. */
export const MOST_CUT: number = Math.ceil(CUT_BYTES / ROW_BYTES) + 1

/**
 * Where a run's log stands. Lines are numbered by one within each run and capped: the head and the newest lines stay, and between them one
 * marker says how many lines were cut. The marker has the number of the first line that was cut, so numbers rise strictly and every
 * number that is missing after it is a line that was cut: what stands in the table is enough to go on from.
 *
 *   1 … headEnd │ headEnd + 1: "… 812 lines were cut …" │ headEnd + 813 … lastSeq
 */
export interface RunLog {
  /** Of the newest line; the first has 1. */
  lastSeq: number
  headBytes: number
  /** Of the last line of the head, once it is full; null before. */
  headEnd: number | null
  tailBytes: number
}

/** A stored line, as far as the cap looks at it. */
export interface LineSize {
  readonly seq: number
  readonly size: number
}

/** Lines of a tail that go: those from the first one up to this one, and the text of the marker in their place. */
export interface Cut {
  readonly upTo: number
  readonly message: string
}

/** Where a log stands, from all lines of it in their order. */
export function readRunLog(lines: Iterable<LineSize>): RunLog {
  const log: RunLog = { lastSeq: 0, headBytes: 0, headEnd: null, tailBytes: 0 }
  for (const { seq, size } of lines) {
    if (log.headEnd === null && log.headBytes + size <= HEAD_BYTES && seq === log.lastSeq + 1) {
      log.headBytes += size
    } else {
      // A missing number tells that the line before it is the marker, hence no longer the head's.
      log.headEnd ??= seq === log.lastSeq + 1 ? log.lastSeq : log.lastSeq - 1
      log.tailBytes += size
    }
    log.lastSeq = seq
  }
  return log
}

/** Counts one more line in; answers its number. */
export function addLine(log: RunLog, { message, fields }: Pick<NewLogLine, 'message' | 'fields'>): number {
  const size = Buffer.byteLength(message) + (fields === null ? 0 : Buffer.byteLength(fields)) + ROW_BYTES
  log.lastSeq += 1
  if (log.headEnd === null && log.headBytes + size <= HEAD_BYTES) {
    log.headBytes += size
  } else {
    log.headEnd ??= log.lastSeq - 1
    log.tailBytes += size
  }
  return log.lastSeq
}

/** Whether the tail has outgrown what is kept of it: then its oldest lines go. */
export function mustBeCut(log: RunLog): log is RunLog & { readonly headEnd: number } {
  return log.headEnd !== null && log.tailBytes > TAIL_BYTES
}

/** Cuts the tail. `tail`: its lines from the first on, as many as are there, or MOST_CUT of them. The newest line stays whatever its size. */
export function cutTail(log: RunLog & { readonly headEnd: number }, tail: Iterable<LineSize>): Cut {
  let upTo = log.headEnd
  let freed = 0
  for (const { seq, size } of tail) {
    if (freed >= CUT_BYTES || seq === log.lastSeq) break
    freed += size
    upTo = seq
  }
  const cut = upTo - log.headEnd
  const message = `… ${cut} ${cut === 1 ? 'line was' : 'lines were'} cut …`
  log.tailBytes += Buffer.byteLength(message) + ROW_BYTES - freed
  return { upTo, message }
}

export function shortened({ message, fields }: NewLogLine): Pick<NewLogLine, 'message' | 'fields'> {
  // In UTF-8 a character has 3 bytes for each of its UTF-16 units at most.
  const longest = LONGEST_LINE / 6
  return {
    message: message.length <= longest ? message : `${message.slice(0, longest)}…`,
    fields: fields === null || fields.length <= longest ? fields : JSON.stringify({ cut: `${fields.length} characters of fields` }),
  }
}
