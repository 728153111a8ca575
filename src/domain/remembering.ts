/** Remembers the newest `most` values that were made, by key. For values that follow from their key alone. */
export function remembering<T>(most: number): (key: string, make: () => T) => T {
  const known = new Map<string, T>()
  return (key, make) => {
    const remembered = known.get(key)
    if (remembered !== undefined) return remembered
    const made = make()
    if (known.size >= most) known.delete(known.keys().next().value as string)
    known.set(key, made)
    return made
  }
}
