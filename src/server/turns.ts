/**
 * How long the answering of operations may hold one turn of the loop, in ms. What comes then waits for a turn to come, so that a large
 * answer is made in slices between which fires, other callers and sockets have their turn.
 */
const LONGEST_TURN = 8

let began = 0
let counting = false

/** Whether this turn of the loop has been held for long enough, by whatever operations; counted from the first time it is asked. */
export function isTurnOver(): boolean {
  const now = performance.now()
  if (!counting) {
    counting = true
    began = now
    setImmediate(endTurn)
  }
  return now - began > LONGEST_TURN
}

function endTurn(): void {
  counting = false
}

/** In the order in which they came; those before `next` are done. */
let waiting: (() => void)[] = []
let next = 0

/**
 * What `work` answers, done in a turn to come: as many in one turn as there is time for, one right after the other, so that what they ask
 * of loaders is still asked together.
 */
export function inTurnToCome<T>(work: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    if (waiting.length === 0) setImmediate(takeTurn)
    waiting.push(() => {
      try {
        resolve(work())
      } catch (error) {
        reject(error)
      }
    })
  })
}

function takeTurn(): void {
  do waiting[next++]!()
  while (next < waiting.length && !isTurnOver())
  if (next < waiting.length) setImmediate(takeTurn)
  else {
    waiting = []
    next = 0
  }
}
