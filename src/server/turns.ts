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

/** What `work` answers, done in a turn to come. Each is begun by itself, so that the one before it has been counted. */
export function inTurnToCome<T>(work: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const begin = (): void => {
      if (isTurnOver()) setImmediate(begin)
      else
        try {
          resolve(work())
        } catch (error) {
          reject(error)
        }
    }
    setImmediate(begin)
  })
}

function endTurn(): void {
  counting = false
}
