/** Made with its first use; `made` tells whether it was. */
export interface Lazy<T> {
  value(): T
  made(): T | undefined
}

export function lazily<T>(make: () => T): Lazy<T> {
  let made: T | undefined
  return {
    value() {
      made ??= make()
      return made
    },
    made: () => made,
  }
}
