import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a guard's time goes into; the order is the page's. */
export const PARTS = [
  'masker',
  'sentinel',
  'key receiver',
  'window',
  'sockets',
  'timers',
  'garbage collection',
  'rest',
] as const
export type Part = (typeof PARTS)[number]

type Profile = {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/**
 * Shares of the main thread's busy time in the last part of a CPU profile. What is native, such as sending, counts for
 * the function that called it; what the event loop does by itself, such as receiving, counts for the sockets.
 */
export function profileShares(folder: string, lastMs: number): Readonly<Record<Part, number>> {
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'))
  if (file === undefined) throw new Error('the guard wrote no profile')
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile
  const partOf = new Map(profile.nodes.map(({ id, callFrame }) => [id, partOfFrame(callFrame)]))
  const spent: Record<Part, number> = {
    masker: 0,
    sentinel: 0,
    'key receiver': 0,
    window: 0,
    sockets: 0,
    timers: 0,
    'garbage collection': 0,
    rest: 0,
  }
  const endUs = profile.timeDeltas.reduce((sum, delta) => sum + delta, 0)
  let atUs = 0
  let busyUs = 0
  for (const [index, delta] of profile.timeDeltas.entries()) {
    atUs += delta
    const part = partOf.get(profile.samples[index] ?? 0) ?? 'rest'
    if (atUs < endUs - lastMs * 1_000 || part === 'idle') continue
    spent[part] += delta
    busyUs += delta
  }
  for (const part of PARTS) spent[part] /= busyUs
  return spent
}

/** By file; a new file of the guard's shows up in `window` until it is named here. */
const FILES: readonly (readonly [Part, RegExp])[] = [
  ['sentinel', /\/guard\/(egress-|agent-exit|two-sine|payer-echo)/],
  ['masker', /\/guard\/(masker|tone-gate|tone-evidence|payer-|band-stop|passing-|comfort-noise|rtp-header-map)/],
  ['key receiver', /\/guard\/(key-|tone-|event-|info-|rtp-timeline|telephone-event|capture|field-|card-|g711|secret-)/],
  ['timers', /\/guard\/due-timer|^node:internal\/(timers|process)/],
  ['sockets', /\/guard\/window-sockets|^node:(internal\/)?(dgram|events)/],
  ['window', /\/guard\/|\/kit\/metrics|prom-client/],
]

function partOfFrame(frame: { readonly functionName: string; readonly url: string }): Part | 'idle' {
  if (frame.functionName === '(idle)') return 'idle'
  if (frame.functionName === '(garbage collector)') return 'garbage collection'
  if (frame.functionName === '(program)') return 'sockets'
  return FILES.find(([, pattern]) => pattern.test(frame.url))?.[0] ?? 'rest'
}
