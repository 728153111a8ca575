// Loaded into a measured server with `--import`: at SIGUSR2 it tells, in a line of JSON on standard error, how long its loop stood still at
// most since the signal before.
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** The histogram's own timer comes every so many ms: shorter stalls are not told from none. */
const RESOLUTION = 1
const delays = monitorEventLoopDelay({ resolution: RESOLUTION })
delays.enable()
let told = 0

process.on('SIGUSR2', () => {
  const longest = Math.max(0, delays.max / 1e6 - RESOLUTION)
  delays.reset()
  process.stderr.write(`${JSON.stringify({ loopDelay: ++told, longest })}\n`)
})
