import { noHandler } from '../../domain/run.ts'

const BEGINNING = JSON.stringify({ code: noHandler('').code }).slice(0, -1)

/** SQL of every engine: whether the error in this column says that the run waits for a handler. Null where there is no error. */
export function saysNoHandler(column: string): string {
  return `substr(${column}, 1, ${BEGINNING.length}) = '${BEGINNING}'`
}
