import { setTimeout as delay } from 'node:timers/promises'
import type { KeyTransport } from '../../src/demo/phone/phone-protocol.ts'
import { CARD_KEYS, CODE_KEYS, type SiteLine } from './site-line.ts'
import type { Site } from './site.ts'

/** Four calls whose windows are in four states at the same time, so that one kill meets them all. */
export type WindowStates = {
  readonly capturing: SiteLine
  readonly storing: SiteLine
  readonly cooling: SiteLine
  readonly opening: SiteLine
}

/** Where the customer of the capturing line is when it happens. */
const HALF = 7
/** Keys that go on through it, some three seconds of them. */
const MORE_KEYS = '73920586147309258614'

/** Some milliseconds into an opening, which takes five to fifty. */
const OPENING_MS = 6

export type Struck = {
  readonly struckMs: number
  /** The id that the killed process had. */
  readonly pid: number
  /** What the order of the opening line came to: 'open', a code of the API, or 'lost' when nobody answered. */
  readonly opened: Promise<string>
  /** All customers have pressed what they press. */
  readonly pressed: Promise<unknown>
  /** Ends the storing. Harmless when the vault itself was killed. */
  readonly resumeVault: () => void
}

/**
 * Brings three windows to capturing (mid-number, a key going on), storing (the vault is stopped, so that it lasts)
 * and cooling (kept so by further keys), orders the fourth, and kills the target while it opens. The customers go on
 * pressing; nobody is asked to type on the opening line.
 */
export async function strikeInAllStates(
  site: Site,
  states: WindowStates,
  options: { readonly transport: KeyTransport; readonly target: string },
): Promise<Struck> {
  const { capturing, storing, cooling, opening } = states
  const { transport } = options
  await Promise.all([capturing, storing, cooling].map((line) => line.openWindow()))
  const more: Promise<unknown>[] = []
  await Promise.all([
    capturing.press(CARD_KEYS.slice(0, HALF - 1), transport),
    storing.pressAllButOne(transport),
    // At once, for the cool-down does not wait for the other lines.
    cooling.pay(transport).then(async () => {
      await cooling.untilState('cooling')
      more.push(cooling.press(MORE_KEYS, transport))
    }),
  ])
  const vault = site.signal('vault', 'SIGSTOP')
  await storing.press(CODE_KEYS.slice(-1), transport)
  await storing.untilState('storing')
  more.push(storing.press(MORE_KEYS, transport))
  await capturing.press(CARD_KEYS.slice(HALF - 1, HALF), transport)
  more.push(capturing.press(CARD_KEYS.slice(HALF), transport))
  const opened = opening.openWindow().then(
    () => 'open',
    (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'lost'),
  )
  await delay(OPENING_MS)
  const struckMs = performance.now()
  const pid = site.signal(options.target, 'SIGKILL')
  return {
    struckMs,
    pid,
    opened,
    pressed: Promise.all(more),
    resumeVault: () => {
      if (site.supervisor.pidOf('vault') === vault) process.kill(vault, 'SIGCONT')
    },
  }
}
