/** A database's URL as an operator may see it, in complaints and logs: without its password. */
export function shownDatabaseUrl(text: string): string {
  if (!/@|password/i.test(text)) return text
  const url = URL.parse(text)
  // An @ elsewhere than behind the user may end a password that holds a character which should have been encoded.
  if (url === null || (text.includes('@') && (url.username === '' || text.split('@').length > 2))) return NOT_SHOWN
  if (url.password !== '') url.password = '***'
  for (const name of [...url.searchParams.keys()]) if (/password/i.test(name)) url.searchParams.set(name, '***')
  return url.href
}

const NOT_SHOWN = '(not shown: it may hold a password)'

export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:/i.test(text)
}

/** Undefined: not one that names a database of a Postgres server. */
export function readPostgresUrl(text: string): string | undefined {
  const url = isPostgresUrl(text) ? URL.parse(text) : null
  if (url === null || url.hash !== '' || !/^\/[^/]+$/.test(url.pathname)) return undefined
  // Without a host it is a socket of this machine, which the parameter names.
  return url.hostname !== '' || url.searchParams.has('host') ? text : undefined
}
