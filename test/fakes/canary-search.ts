import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Looks for a known card where it should not be: any run of six of its digits, as characters, as the values 0 to 9, in
 * UTF-16, in hexadecimal, in base64 at each of its three phases, and, ten digits long, as packed decimal (a shorter
 * run of half bytes is met by chance).
 */
export type Needle = { readonly name: string; readonly bytes: Buffer }

const RUN = 6
const PACKED_RUN = 10
const CHUNK_BYTES = 65_536
/** Longer than any needle, so that none falls between two chunks. */
const OVERLAP_BYTES = 64

/**
 * `forMemory` keeps the search of some hundred megabytes short: three runs, of which any eleven digits in a row hold one,
 * and no encodings.
 */
export function needlesOf(pan: string, options: { readonly forMemory: boolean }): readonly Needle[] {
  const needles: Needle[] = []
  const step = options.forMemory ? RUN - 1 : 1
  for (let start = 0; start + RUN <= pan.length; start += step) {
    const run = pan.slice(start, start + RUN)
    needles.push(
      { name: `characters ${start}`, bytes: Buffer.from(run) },
      { name: `values ${start}`, bytes: Buffer.from(Array.from(run, Number)) },
      { name: `UTF-16 ${start}`, bytes: Buffer.from(run, 'utf16le') },
    )
    if (options.forMemory) continue
    needles.push({ name: `hexadecimal ${start}`, bytes: Buffer.from(Buffer.from(run).toString('hex')) })
    for (let phase = 0; phase < 3; phase += 1)
      needles.push({ name: `base64 ${start}+${phase}`, bytes: base64Inside(run, phase) })
  }
  if (options.forMemory) return needles
  for (let start = 0; start + PACKED_RUN <= pan.length; start += 1) {
    needles.push({ name: `packed ${start}`, bytes: Buffer.from(pan.slice(start, start + PACKED_RUN), 'hex') })
  }
  return needles
}

/**
 * The same runs as a program holds numbers: small integers of V8 (the upper half of eight bytes), 32-bit integers, and
 * doubles. Three runs, of which any eleven digits in a row hold one: a search of memory stops everything else in its process.
 */
export function numberNeedles(pan: string): readonly Needle[] {
  const needles: Needle[] = []
  for (let start = 0; start + RUN <= pan.length; start += RUN - 1) {
    const run = Array.from(pan.slice(start, start + RUN), Number)
    const small = Buffer.alloc(RUN * 8)
    run.forEach((digit, index) => small.writeInt32LE(digit, index * 8 + 4))
    needles.push(
      { name: `small integers ${start}`, bytes: small },
      { name: `integers ${start}`, bytes: bytesOf(Int32Array.from(run)) },
      { name: `doubles ${start}`, bytes: bytesOf(Float64Array.from(run)) },
    )
  }
  return needles
}

function bytesOf(numbers: Int32Array | Float64Array): Buffer {
  return Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)
}

/** Names of the needles that stand in the bytes. */
export function searchBytes(bytes: Buffer, needles: readonly Needle[]): readonly string[] {
  return needles.filter((needle) => bytes.includes(needle.bytes)).map(({ name }) => name)
}

/** Every file below a folder, with the needles found in each; files without any are left out. */
export function searchFolder(
  folder: string,
  needles: readonly Needle[],
): readonly { readonly file: string; readonly found: readonly string[] }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ file, found: searchBytes(readFileSync(file), needles) }))
    .filter(({ found }) => found.length > 0)
}

/** The needles that stand in the writable memory of a process. Needs the right to read it (its parent, or root). */
export function searchMemory(pid: number, needles: readonly Needle[]): readonly string[] {
  const found = new Set<string>()
  const zeros = Buffer.alloc(CHUNK_BYTES + OVERLAP_BYTES)
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
      if (from === undefined || to === undefined) continue
      const end = parseInt(to, 16)
      for (let at = parseInt(from, 16); at < end; at += CHUNK_BYTES) {
        const chunk = Buffer.alloc(Math.min(CHUNK_BYTES + OVERLAP_BYTES, end - at))
        const read = chunk.subarray(0, readAt(memory, chunk, at))
        if (read.equals(zeros.subarray(0, read.length))) continue
        for (const name of searchBytes(read, needles)) found.add(name)
      }
    }
  } finally {
    closeSync(memory)
  }
  return [...found]
}

/** The characters of a base64 text that depend on nothing but the run, when it begins `phase` bytes into a group. */
function base64Inside(run: string, phase: number): Buffer {
  const text = Buffer.from(`${'\0'.repeat(phase)}${run}`)
    .toString('base64')
    .replaceAll('=', '')
  const first = phase === 0 ? 0 : phase + 1
  const whole = Math.floor(((phase + run.length) * 8) / 6)
  return Buffer.from(text.slice(first, whole))
}

/** Zero for a range that the kernel does not show, such as its own. */
function readAt(descriptor: number, chunk: Buffer, position: number): number {
  try {
    return readSync(descriptor, chunk, 0, chunk.length, position)
  } catch {
    return 0
  }
}
