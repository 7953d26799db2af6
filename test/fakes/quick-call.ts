import { createLogger } from '../../src/kit/log.ts'
import { Call } from '../../src/sbc/call.ts'
import type { Engine } from '../../src/sbc/engine-pool.ts'
import type { WindowGuard } from '../../src/sbc/guard-link.ts'
import { LATE_REQUEST_MS_MAX, LateRequests } from '../../src/sbc/late-requests.ts'
import type { Leg } from '../../src/sbc/leg.ts'
import { randomLetters } from '../../src/sbc/letters.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import type { Party } from '../../src/sbc/party.ts'
import type { PlacedLeg, PlaceOrder, TransferPlaces } from '../../src/sbc/transfer-places.ts'
import type { WindowState } from '../../src/sbc/window-events.ts'
import { NO_RESCUE, NO_TRANSFERS } from './call-places.ts'
import { eventually } from './eventually.ts'
import { FakeDialog, FakeMessage } from './fake-sip.ts'
import { FakeEngine } from './fake-engine.ts'
import { TEST_FORM } from './guarded-call.ts'
import { QuickGuard } from './quick-guard.ts'
import { testTrunk } from './test-trunk.ts'

/** A description of somebody at a port. */
export function quickSdp(port: number, options: { readonly direction?: string; readonly codec?: string } = {}): string {
  const codec = options.codec ?? '0 PCMU/8000'
  return [
    'v=0',
    'o=alice 1 1 IN IP4 192.0.2.1',
    's=-',
    'c=IN IP4 192.0.2.1',
    't=0 0',
    `m=audio ${port} RTP/AVP ${codec.split(' ')[0] ?? ''}`,
    `a=rtpmap:${codec}`,
    `a=${options.direction ?? 'sendrecv'}`,
    '',
  ].join('\r\n')
}

export const PAYER_PORT = 10_000
export const AGENT_PORT = 10_002
export const NEW_PORT = 10_004

/**
 * An answered call with everything around it in the process of the test: its own code, on an engine, a guard and dialogs
 * that answer at once. For questions of which there are hundreds; packets are not among them.
 */
export class QuickCall {
  readonly call: Call
  readonly engine = new FakeEngine()
  readonly otherEngine = new FakeEngine()
  readonly guard = new QuickGuard()
  readonly otherGuard = new QuickGuard()
  readonly dialogs = { payer: quickDialog('payer', PAYER_PORT), agent: quickDialog('agent', AGENT_PORT) }
  readonly newDialog = quickDialog('new', NEW_PORT)
  readonly orders: PlaceOrder[] = []
  /** Answers for whoever is called by a transfer. */
  placing: (order: PlaceOrder) => Promise<PlacedLeg> = (order) => this.answers(order)
  /** A guard that takes a window whose guard was lost; null: none. */
  spareGuard: WindowGuard | null = null
  /** The time of late requests; it stands still. */
  nowMs = 0
  readonly late: LateRequests
  readonly #transfers: Partial<TransferPlaces>
  #isHeldBack = false

  private constructor(options: {
    readonly media: MediaSession
    readonly callId: string
    readonly policy: 'follow' | 'refuse'
    readonly engine: FakeEngine
    readonly transfers: Partial<TransferPlaces>
    readonly late: LateRequests | undefined
    readonly told: { readonly [Side in Party]: string }
  }) {
    this.engine = options.engine
    this.late = options.late ?? new LateRequests(() => this.nowMs)
    for (const party of ['payer', 'agent'] as const) this.dialogs[party].local.sdp = options.told[party]
    this.#transfers = options.transfers
    const leg = (party: Party): Leg => ({
      party,
      dialog: this.dialogs[party],
      origin: { sessionId: 5, version: 1 },
      trunk: {
        party,
        ...testTrunk({
          name: party === 'payer' ? 'carrier' : 'centre',
          side: party === 'payer' ? 'carrier' : 'contact-centre',
          transfers: options.policy,
        }),
      },
    })
    const { otherEngine } = this
    this.call = new Call({
      facts: {
        callId: options.callId,
        agent: 'anna',
        from: '4989',
        to: '4711',
        rtpengine: 'engine',
        merchant: 'shop',
        isEmergency: false,
      },
      media: options.media,
      payer: leg('payer'),
      agent: leg('agent'),
      dependencies: {
        guards: {
          chooseAny: () => this.spareGuard,
          chooseWithin: () => (this.#isHeldBack ? new Promise(() => undefined) : Promise.resolve(this.guard)),
        },
        forms: [TEST_FORM],
        logger: createLogger({ role: 'test', level: 'silent' }),
        rescue: {
          ...NO_RESCUE,
          engine: () =>
            Promise.resolve({ name: 'other', control: otherEngine, isUp: true, lives: 1 } as unknown as Engine),
        },
        transfers: {
          ...NO_TRANSFERS,
          place: (order) => {
            this.orders.push(order)
            return this.placing(order)
          },
          answer: ({ response }, sdp) => {
            response.send(200, { body: sdp })
            return Promise.resolve(this.newDialog)
          },
          ...this.#transfers,
        },
        late: this.late,
        changed: () => undefined,
        ended: () => undefined,
      },
    })
  }

  static async start(
    options: {
      readonly policy?: 'follow' | 'refuse'
      readonly transfers?: Partial<TransferPlaces>
      /** Of another call: both know of the same late requests. */
      readonly late?: LateRequests
    } = {},
  ): Promise<QuickCall> {
    const callId = randomLetters(20)
    const engine = new FakeEngine()
    const media = new MediaSession({ engine, callId })
    const offered = await media.offer('payer', quickSdp(PAYER_PORT), { live: false })
    const answered = await media.answer('payer', quickSdp(AGENT_PORT), { live: false })
    if (offered.kind === 'failed' || answered.kind === 'failed') throw new Error('the call was not set up')
    const { policy = 'follow', transfers = {}, late } = options
    const told = { payer: answered.value, agent: offered.value }
    return new QuickCall({ media, callId, engine, policy, transfers, late, told })
  }

  /** Brings the window to a state and leaves it there. */
  async reach(state: WindowState): Promise<void> {
    if (state === 'none') return
    this.#isHeldBack = state === 'ordered'
    this.guard.hearsPayer = state !== 'opening'
    const opening = this.call.openWindow({ form: 'card', masking: 'hard' })
    if (state === 'ordered') return
    if (state === 'opening') return eventually(() => this.call.media.isGuarded)
    await opening
    if (state === 'storing') this.guard.tellProgress('storing')
    if (state === 'cooling') this.guard.tellProgress('finished')
    if (state === 'held') this.guard.die()
    if (state !== 'closed' && state !== 'just-closed') return eventually(() => this.call.payment?.state === state)
    this.guard.tellProgress('cancelled')
    this.guard.tellSafe()
    await eventually(() => this.call.payment?.state === 'closed')
    if (state === 'closed') this.nowMs += LATE_REQUEST_MS_MAX
  }

  /** A telephone that takes the call it is offered. */
  async answers(order: PlaceOrder): Promise<PlacedLeg> {
    const offered = await order.offer(order.from)
    if (offered.kind === 'failed') return { kind: 'rejected', status: offered.status }
    this.newDialog.local.sdp = offered.sdp
    const response = new FakeMessage({ body: quickSdp(NEW_PORT) })
    return { kind: 'answered', trunk: order.from, dialog: this.newDialog, response, agent: 'bob' }
  }

  /** What the sbc sent into a dialog since the last time it was asked: re-INVITEs and other requests. */
  sentTo(party: Party): number {
    const dialog = this.dialogs[party]
    const count = dialog.offered.length + dialog.requests.length
    dialog.offered.length = 0
    dialog.requests.length = 0
    return count
  }

  close(): void {
    this.call.end('closing')
  }
}

function quickDialog(name: string, port: number): FakeDialog {
  const dialog = new FakeDialog({ callId: `${name}-call-id`, sdp: quickSdp(port) })
  dialog.answers = () => quickSdp(port)
  return dialog
}
