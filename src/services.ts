/** A part of the process that is started in order and stopped in reverse. */
export interface Service {
  readonly name: string
  start(): Promise<void>
  /** Never rejects for work it could not finish: it logs, and recovery at the next start takes over. */
  stop(): Promise<void>
}
