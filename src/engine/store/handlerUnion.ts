import type { HandlerRow } from './rows.ts'

/** What workers together can perform, by name. `lists`: JSON text of the handlers of each, the newest started worker first: it is right. */
export function unionOfHandlers(lists: readonly string[]): readonly HandlerRow[] {
  const byName = new Map<string, HandlerRow>()
  for (const text of lists) {
    for (const handler of JSON.parse(text) as readonly HandlerRow[]) if (!byName.has(handler.name)) byName.set(handler.name, handler)
  }
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}
