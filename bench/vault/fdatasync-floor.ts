import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** What the least of all databases would do: append to a file and sync it, again and again. Returns how often a second. */
export function bareSyncsPerSecond(options: {
  /** On the disk that the store is on. */
  readonly folder: string
  readonly appendBytes: number
  readonly forMs: number
}): number {
  const { folder, appendBytes, forMs } = options
  const file = join(folder, 'bare-append')
  const descriptor = openSync(file, 'w')
  const bytes = Buffer.alloc(appendBytes, 0x5a)
  try {
    let syncs = 0
    const beganMs = performance.now()
    let nowMs = beganMs
    for (; nowMs - beganMs < forMs; nowMs = performance.now()) {
      writeSync(descriptor, bytes)
      fdatasyncSync(descriptor)
      syncs += 1
    }
    return (syncs * 1_000) / (nowMs - beganMs)
  } finally {
    closeSync(descriptor)
    rmSync(file)
  }
}
