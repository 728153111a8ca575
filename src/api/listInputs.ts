import { builder, described } from './builder.ts'
import { badUserInput } from './errors.ts'

export type Direction = 'ASC' | 'DESC'

export const DirectionType = builder.enumType('Direction', {
  description: 'Which way a list is ordered.',
  values: described<Direction>({ ASC: 'Smallest, earliest, A first.', DESC: 'Largest, latest, Z first.' }),
})

const MAX_LIST = 1_000

/**
 * Bounds the lists of a filter, so that no request makes a statement without end.
 * @throws BAD_USER_INPUT naming the list that is too long.
 */
export function checkLists(lists: Readonly<Record<string, readonly unknown[] | null | undefined>>): void {
  for (const [name, list] of Object.entries(lists)) {
    if (list && list.length > MAX_LIST) throw badUserInput(`\`filter.${name}\` has ${list.length} values; accepted: at most ${MAX_LIST}.`)
  }
}
