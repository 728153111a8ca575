/**
 * What happened, told after the commit. Hints carry no truth: whoever hears one reads the store, and polling backs every one of them.
 * `null` in place of what a hint names: it is not known, or too much to name; look.
 */
export type Hint =
  /** The stream of changes has moved up to this position. */
  | { readonly kind: 'changes'; readonly upTo: number | null }
  /** A job's wakeAt may now be this early. */
  | { readonly kind: 'jobs'; readonly wakeAt: number | null }
  /** Runs may be waiting to start. */
  | { readonly kind: 'runs' }
  /** These runs were asked to cancel. */
  | { readonly kind: 'cancels'; readonly runIds: readonly string[] }
  /** These runs have new log lines. */
  | { readonly kind: 'logs'; readonly runIds: readonly string[] | null }

export interface Bus {
  publish(hint: Hint): void
  /** Answers a function that ends the subscription. A listener that throws is logged and harms nobody. */
  subscribe(listener: (hint: Hint) => void): () => void
  close(): Promise<void>
}
