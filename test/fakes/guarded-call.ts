import { createLogger } from '../../src/kit/log.ts'
import type { GuardPool } from '../../src/sbc/guard-link.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import { PaymentWindow } from '../../src/sbc/payment-window.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import type { FormConfiguration } from '../../src/wire/configuration.ts'
import type { Payment } from '../../src/wire/call-protocol.ts'
import type { Identity } from '../../src/kit/identity.ts'
import type { Masking } from '../../src/wire/window-progress.ts'
import { eventually } from './eventually.ts'
import { guardPool } from './guard-pool.ts'
import { NgProxy } from './ng-proxy.ts'
import { RtpParty } from './rtp-party.ts'

export const PAYER_MARK = 0x11
export const AGENT_MARK = 0x22
/** A packet that was on its way when something changed is not a leak. */
const IN_FLIGHT_MS = 25

export const TEST_FORM: FormConfiguration = {
  name: 'card',
  fields: ['card-number', 'expiry'],
  brands: [],
  tries: 3,
  interDigitMs: 10_000,
  totalMs: 60_000,
  coolDownMs: 500,
}

let nextCall = 0

/** A talking call of two real RTP endpoints on a real rtpengine, and a payment window on it: no SIP, guards as given. */
export class GuardedCall {
  readonly callId: string
  readonly payer: RtpParty
  readonly agent: RtpParty
  readonly proxy: NgProxy
  readonly control: RtpengineControl
  readonly media: MediaSession
  readonly guards: GuardPool
  readonly window: PaymentWindow
  /** Each state that the window took, in order. */
  readonly states: Payment['state'][] = ['opening']
  mediaGoneCount = 0
  /** rtpengine's port towards the payer, and towards the agent. */
  readonly told: { payer: string; agent: string } = { payer: '', agent: '' }
  #turn: Promise<unknown> = Promise.resolve()
  #maskedSinceMs: number | null = null

  private constructor(options: {
    readonly proxy: NgProxy
    readonly payer: RtpParty
    readonly agent: RtpParty
    readonly guards: GuardPool
    readonly masking: Masking
  }) {
    nextCall += 1
    this.callId = `guarded-${nextCall}`
    this.proxy = options.proxy
    this.payer = options.payer
    this.agent = options.agent
    this.guards = options.guards
    const logger = createLogger({ role: 'test', level: 'silent' })
    this.control = new RtpengineControl({ host: '127.0.0.1', port: options.proxy.port, logger })
    this.media = new MediaSession({ engine: this.control, callId: this.callId })
    this.window = new PaymentWindow({
      media: this.media,
      guards: this.guards,
      rtpengine: 'engine',
      form: TEST_FORM,
      masking: options.masking,
      lookAheadMs: 60,
      merchant: 'shop',
      logger,
      changed: () => {
        const { state } = this.window.payment
        if (this.states.at(-1) !== state) this.states.push(state)
      },
      mediaGone: () => {
        this.mediaGoneCount += 1
        this.window.end('media_lost')
      },
      exclusive: (action) => this.exclusive(action),
    })
  }

  static async start(options: {
    readonly enginePort: number
    readonly identity: Identity
    readonly guardPorts: readonly number[]
    readonly masking?: Masking
    /** The parties have a port for RTCP too. */
    readonly withRtcp?: boolean
  }): Promise<GuardedCall> {
    const { withRtcp = false, masking = 'talk-through' } = options
    const payer = await RtpParty.open({ mark: PAYER_MARK, withRtcp })
    const agent = await RtpParty.open({ mark: AGENT_MARK, withRtcp })
    const guards = guardPool({ identity: options.identity, ports: options.guardPorts })
    const call = new GuardedCall({ proxy: await NgProxy.start(options.enginePort), payer, agent, guards, masking })
    const offered = await call.media.offer('payer', payer.sdp(), { live: false })
    const answered = await call.media.answer('payer', agent.sdp(), { live: false })
    if (offered.kind === 'failed' || answered.kind === 'failed') throw new Error('the call was not set up')
    call.told.payer = answered.value
    call.told.agent = offered.value
    payer.sendTo(answered.value)
    agent.sendTo(offered.value)
    await eventually(() => guards.upCount === options.guardPorts.length)
    await agent.hears((heard) => heard.mark === PAYER_MARK)
    return call
  }

  exclusive<Value>(action: () => Promise<Value>): Promise<Value> {
    const turn = this.#turn.then(action)
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  /** From now on nothing of the payer may reach the agent as it is. */
  maskedFromNow(): void {
    this.#maskedSinceMs = performance.now() + IN_FLIGHT_MS
  }

  /** Whether the agent heard the payer unmasked since maskedFromNow, up to now. */
  get leaked(): boolean {
    return this.#maskedSinceMs !== null && this.agent.marksSince(this.#maskedSinceMs).has(PAYER_MARK)
  }

  async isDirect(): Promise<boolean> {
    const facts = await this.media.facts()
    return facts.kind === 'ok' && facts.value.partiesAreDirect
  }

  async reaches(state: Payment['state']): Promise<void> {
    await eventually(() => this.window.payment.state === state)
  }

  async close(): Promise<void> {
    this.window.end('call_ended')
    await this.media.delete()
    this.guards.close()
    this.payer.close()
    this.agent.close()
    this.control.close()
    this.proxy.close()
  }
}
