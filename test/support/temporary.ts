import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atExit } from './atExit.ts'

/** A folder of its own, removed when the process of the test file ends. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'orrery-test-'))
  atExit(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}
