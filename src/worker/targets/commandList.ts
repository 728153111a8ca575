import { realpath } from 'node:fs/promises'
import { isAbsolute, normalize } from 'node:path'

export interface AllowedCommands {
  /** The path to execute for an executable that a target names, or why it may not be run. */
  find(executable: string): Promise<{ readonly path: string } | { readonly refusal: string }>
}

/**
 * The executables that the operator allows, by absolute path. A target may name a listed path, or a link that leads to one; it may not
 * name what a listed link leads to: who allows `/bin/ls` does not allow the `busybox` behind it. Throws on a path that is not absolute.
 */
export function createAllowedCommands(allowCommands: readonly string[]): AllowedCommands {
  const relative = allowCommands.find((path) => !isAbsolute(path))
  if (relative !== undefined) throw new Error(`${JSON.stringify(relative)} is not the absolute path of an executable.`)
  const listed = new Set(allowCommands.map((path) => normalize(path)))
  return {
    async find(executable) {
      if (listed.size === 0)
        return { refusal: 'Command targets are off: the operator lists the executables that may be run in ORRERY_ALLOW_COMMANDS.' }
      if (!isAbsolute(executable)) return { refusal: `${JSON.stringify(executable)} is not an absolute path.` }
      const path = normalize(executable)
      if (listed.has(path)) return { path }
      const real = await realpath(path).catch(() => null)
      if (real !== null && listed.has(real)) return { path: real }
      return { refusal: `${JSON.stringify(executable)} is not among the executables that the operator allows (ORRERY_ALLOW_COMMANDS).` }
    },
  }
}
