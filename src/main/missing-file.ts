import { existsSync } from 'node:fs'

/**
 * True when a file that the configuration names is not there. A process that may not read it cannot know, and need not:
 * each role may read its own files only, and the supervisor, which may read all, has looked before.
 */
export function isMissing(file: string): boolean {
  // Without --permission there is no such object, whatever the types say.
  const permission = process.permission as typeof process.permission | undefined
  return permission?.has('fs.read', file) !== false && !existsSync(file)
}
