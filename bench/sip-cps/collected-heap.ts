import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Loaded by `--import FILE?folder=FOLDER` into a process that is looked into: on SIGUSR2 it collects garbage, which
 * needs `--expose-gc`, and writes what is left of its heap, in bytes, to FOLDER/heap-PID.
 */
const folder = new URL(import.meta.url).searchParams.get('folder') ?? ''

process.on('SIGUSR2', () => {
  globalThis.gc?.()
  writeFileSync(join(folder, `heap-${process.pid}`), String(process.memoryUsage().heapUsed))
})
