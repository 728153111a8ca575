import chromium from '@sparticuz/chromium'
import { type Browser, chromium as playwright } from 'playwright-core'

/** Nothing of the browser's own may leave the machine: tests count every request. */
const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run']

/** Why no browser can be started here, or null. The packaged Chromium is for Linux on x64; elsewhere CHROME_PATH names one. */
export const noBrowser: string | null =
  process.env.CHROME_PATH !== undefined || (process.platform === 'linux' && process.arch === 'x64')
    ? null
    : 'set CHROME_PATH to a Chromium or Chrome'

/** A real Chromium: the one that CHROME_PATH names, else the one in the package. */
export async function launchBrowser(): Promise<Browser> {
  const named = process.env.CHROME_PATH
  if (named !== undefined) return playwright.launch({ executablePath: named, args: [...QUIET, '--no-sandbox'] })
  // Without WebGL, which would be drawn by the processors.
  chromium.setGraphicsMode = false
  return playwright.launch({ executablePath: await chromium.executablePath(), args: [...chromium.args, ...QUIET] })
}
