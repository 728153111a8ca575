const PLACE = /^[A-Za-z]\w*(?:\/[\w+-]+)+$/

/**
 * What is wrong with the name of a time zone, or null. Accepted are IANA names of the form Area/Place, and UTC and GMT. Names without a
 * slash are refused although IANA keeps some for old data: `EST` is five hours off all year round, `PST` and `IST` are readings of this
 * runtime alone, and what `CET` means has changed between releases; who writes `Japan` can write `Asia/Tokyo`. `Etc/GMT+5` is a name.
 */
export function zoneNameProblem(name: string): string | null {
  const came = JSON.stringify(name.slice(0, 100))
  if (/^(?:(?:UTC|GMT)?[+-]\d|[Zz]$)/.test(name)) return `${came} is an offset, which knows no clock changes; ${ACCEPTED}`
  if (!/^(?:UTC|GMT)$/i.test(name)) {
    if (!PLACE.test(name) || /^SystemV\//i.test(name)) return `${came} is not an IANA name of the form Area/Place; ${ACCEPTED}`
    if (!isKnown(name)) return `${came} is not a known time zone; ${ACCEPTED}`
  }
  return null
}

const ACCEPTED = 'accepted are IANA names such as Europe/Berlin or America/New_York, and UTC'

function isKnown(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return true
  } catch {
    return false
  }
}
