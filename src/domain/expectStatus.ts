/** HTTP statuses from `first` to `last`, both inclusive. */
interface StatusRange {
  readonly first: number
  readonly last: number
}

/** What an HTTP target takes for success unless it says otherwise. */
export const ANY_SUCCESS: readonly string[] = Object.freeze(['2xx'])

/** What is wrong with a rule of `expectStatus`, or null. Accepted are one status (`204`), a class (`2xx`) and a range (`200-299`). */
export function wrongStatusRule(rule: string): string | null {
  return parse(rule) === null
    ? `${JSON.stringify(rule.slice(0, 40))} is no HTTP status: give one (204), a class (2xx) or a range (200-299), between 100 and 599.`
    : null
}

/** Whether any of the rules takes this status for success. Rules that say nothing are passed over; no rules mean 2xx. */
export function expectsStatus(rules: readonly string[], status: number): boolean {
  return (rules.length === 0 ? ANY_SUCCESS : rules).some((rule) => {
    const range = parse(rule)
    return range !== null && range.first <= status && status <= range.last
  })
}

function parse(rule: string): StatusRange | null {
  const ofClass = /^([1-5])xx$/i.exec(rule)
  if (ofClass) return { first: Number(ofClass[1]) * 100, last: Number(ofClass[1]) * 100 + 99 }
  const range = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(rule)
  if (!range) return null
  const first = Number(range[1])
  const last = Number(range[2] ?? range[1])
  return first <= last ? { first, last } : null
}
