import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Looks for a known card where it should not be: any run of six of its digits, in every form of FORMS; of those forms that hundreds of
 * megabytes hold by chance, a longer run: ten digits packed, twelve as bytes of 0 to 9 (tables of small numbers are everywhere in a
 * program), eight as numbers.
 */
export type Needle = { readonly name: string; readonly bytes: Buffer }

const RUN = 6
const MEMORY_RUN = 8
const VALUES_RUN = 12
const NUMBERS_RUN = 8
/** Any start, so that both ways of pairing digits are met: 42 63 98, and x4 26 39 8x. */
const PACKED_RUN = 10
const CHUNK_BYTES = 1_048_576
/** Compared at once; most of a process's memory is zeros, and comparing is faster than searching. */
const ZEROS = Buffer.alloc(65_536)

/** How six digits can lie in bytes. */
type Form = (run: string) => Buffer
const FORMS: Readonly<Record<string, Form>> = {
  characters: (run) => Buffer.from(run),
  'UTF-16': (run) => Buffer.from(run, 'utf16le'),
  'UTF-16 big-endian': (run) => Buffer.from(run, 'utf16le').swap16(),
  hexadecimal: (run) => Buffer.from(Buffer.from(run).toString('hex')),
  'hexadecimal values': (run) => Buffer.from(Buffer.from(Array.from(run, Number)).toString('hex')),
  'base64 +0': (run) => base64Inside(run, 0),
  'base64 +1': (run) => base64Inside(run, 1),
  'base64 +2': (run) => base64Inside(run, 2),
  listed: (run) => Buffer.from(Array.from(run).join(',')),
}

/** As a program holds numbers: small integers of V8 (the upper half of eight bytes), 32-bit integers, doubles. */
const NUMBERS: Readonly<Record<string, Form>> = {
  'small integers': (run) => {
    const small = Buffer.alloc(run.length * 8)
    Array.from(run, Number).forEach((digit, index) => small.writeInt32LE(digit, index * 8 + 4))
    return small
  },
  integers: (run) => bytesOf(Int32Array.from(run, Number)),
  doubles: (run) => bytesOf(Float64Array.from(run, Number)),
}

const LENGTHS: readonly (readonly [length: number, forms: Readonly<Record<string, Form>>])[] = [
  [RUN, FORMS],
  [NUMBERS_RUN, NUMBERS],
  [VALUES_RUN, { values: (run) => Buffer.from(Array.from(run, Number)) }],
  [PACKED_RUN, { packed: (run) => Buffer.from(run, 'hex') }],
]

export const FORM_NAMES: readonly string[] = LENGTHS.flatMap(([, forms]) => Object.keys(forms))

/** Each run in each form. A needle's name is that of its form and the place of its first digit. */
export function needlesOf(pan: string): readonly Needle[] {
  return LENGTHS.flatMap(([length, forms]) =>
    Array.from({ length: pan.length - length + 1 }, (_, start) => start).flatMap((start) =>
      Object.entries(forms).map(([form, bytes]) => ({
        name: [form, start].join(' '),
        bytes: bytes(pan.slice(start, start + length)),
      })),
    ),
  )
}

/**
 * The same for the memory of a process, which is full of numbers of ten digits and more, such as times and synchronization sources:
 * runs of six in characters stand there by chance, about once in some dozen searches. So a run of six is the first of the card's
 * alone (what a BIN would be), and any other is of eight.
 */
export function memoryNeedlesOf(pan: string): readonly Needle[] {
  const isInCharacters = ({ name }: Needle): boolean => /^characters [1-9]/.test(name)
  const longer = Array.from({ length: pan.length - MEMORY_RUN + 1 }, (_, start) => ({
    name: `characters ${start}, ${MEMORY_RUN} of them`,
    bytes: Buffer.from(pan.slice(start, start + MEMORY_RUN)),
  }))
  return [...needlesOf(pan).filter((needle) => !isInCharacters(needle)), ...longer]
}

/** Names of the needles that stand in the bytes. */
export function searchBytes(bytes: Buffer, needles: readonly Needle[]): readonly string[] {
  const found = new Set<string>()
  NeedleSearch.of(needles).search(bytes, 0, found)
  return [...found]
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

/**
 * The needles that stand in the memory of a process: all that it can read and that is not the unchanged image of a file, as a core
 * image holds it (core(5), /proc/PID/coredump_filter), read in place. Needs the right to (its parent, or root).
 */
export function searchMemory(pid: number, needles: readonly Needle[]): readonly string[] {
  const found = new Set<string>()
  const search = NeedleSearch.of(needles)
  const chunk = Buffer.alloc(CHUNK_BYTES)
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const [, from, to, writes, inode] = /^([0-9a-f]+)-([0-9a-f]+) r(.)\S+ \S+ \S+ (\d+)/.exec(line) ?? []
      if (from === undefined || to === undefined || (writes === '-' && inode !== '0')) continue
      const end = parseInt(to, 16)
      let state = 0
      for (let at = parseInt(from, 16); at < end;) {
        const read = readAt(memory, chunk.subarray(0, Math.min(chunk.length, end - at)), at)
        if (read.length === 0) state = 0
        at += read.length === 0 ? PAGE_BYTES : read.length
        for (let piece = 0; piece < read.length; piece += ZEROS.length) {
          state = search.piece(read.subarray(piece, piece + ZEROS.length), state, found)
        }
      }
    }
  } finally {
    closeSync(memory)
  }
  return [...found]
}

/** The files that a process has open to write, wherever they lie and whether they still have a name, with what is found in them. */
export function searchOpenFiles(pid: number, needles: readonly Needle[]): readonly string[] {
  const found: string[] = []
  for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'latin1'))?.[1]
      const file = `/proc/${pid}/fd/${descriptor}`
      const isWritten = (parseInt(flags ?? '0', 8) & 3) !== 0 && statSync(file).isFile()
      if (isWritten) found.push(...searchBytes(readFileSync(file), needles))
    } catch {
      // It was closed meanwhile.
    }
  }
  return found
}

/** Longer than any needle. */
const NEEDLE_BYTES_MAX = 128
const PAGE_BYTES = 4_096
/** One for each value of a byte. */
const STEPS = 256

/** All needles at once, one step a byte: the machine of Aho and Corasick (1975), with every step written out. */
class NeedleSearch {
  static readonly #made = new WeakMap<readonly Needle[], NeedleSearch>()
  readonly #names: string[][] = [[]]
  /** Where a byte leads from a state; a state is the place of its 256 steps, negative where a needle ends. */
  readonly #steps: Int32Array

  static of(needles: readonly Needle[]): NeedleSearch {
    const made = NeedleSearch.#made.get(needles) ?? new NeedleSearch(needles)
    NeedleSearch.#made.set(needles, made)
    return made
  }

  private constructor(needles: readonly Needle[]) {
    const children = [new Map<number, number>()]
    for (const { name, bytes } of needles) {
      let state = 0
      for (const byte of bytes) {
        const next = children[state]?.get(byte) ?? children.push(new Map()) - 1
        children[state]?.set(byte, next)
        state = next
        this.#names[state] ??= []
      }
      this.#names[state]?.push(name)
    }
    this.#steps = new Int32Array(children.length * STEPS)
    const fallback = new Int32Array(children.length)
    const queue = [0]
    for (const state of queue) {
      const back = fallback[state] ?? 0
      if (state !== 0) this.#names[state]?.push(...(this.#names[back] ?? []))
      for (let byte = 0; byte < STEPS; byte += 1) {
        const otherwise = state === 0 ? 0 : (this.#steps[back * STEPS + byte] ?? 0)
        const child = children[state]?.get(byte)
        this.#steps[state * STEPS + byte] = child === undefined ? otherwise : child * STEPS
        if (child === undefined) continue
        fallback[child] = otherwise / STEPS
        queue.push(child)
      }
    }
    this.#steps.forEach((place, at) => {
      if ((this.#names[place / STEPS]?.length ?? 0) > 0) this.#steps[at] = -place
    })
  }

  /** The same as search(), and quick where all is zero: only a needle that reaches across an edge could be there. */
  piece(bytes: Buffer, from: number, found: Set<string>): number {
    if (!bytes.equals(ZEROS.subarray(0, bytes.length))) return this.search(bytes, from, found)
    this.search(bytes.subarray(0, NEEDLE_BYTES_MAX), from, found)
    return this.search(bytes.subarray(-NEEDLE_BYTES_MAX), 0, found)
  }

  /** From a state, through the bytes; returns the state behind them. */
  search(bytes: Uint8Array, from: number, found: Set<string>): number {
    const steps = this.#steps
    let state = from
    for (let at = 0; at < bytes.length; at += 1) {
      state = steps[state + (bytes[at] ?? 0)] ?? 0
      if (state >= 0) continue
      state = -state
      for (const name of this.#names[state / STEPS] ?? []) found.add(name)
    }
    return state
  }
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

function bytesOf(numbers: Int32Array | Float64Array): Buffer {
  return Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)
}

/** What was read; empty for a range that the kernel does not show, such as its own. */
function readAt(descriptor: number, into: Buffer, position: number): Buffer {
  try {
    return into.subarray(0, readSync(descriptor, into, 0, into.length, position))
  } catch {
    return into.subarray(0, 0)
  }
}
