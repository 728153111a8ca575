/** Text as it is stored for searching and as it is searched for: both databases compare the result byte by byte. */
export function foldCase(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}

/** What a search of jobs looks through. */
export function searchTextOf(job: { readonly name: string; readonly description: string | null }): string {
  return foldCase(job.description === null ? job.name : `${job.name}\n${job.description}`)
}
