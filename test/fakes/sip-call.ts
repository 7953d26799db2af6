import { testTrunk } from './test-trunk.ts'
import { createLogger } from '../../src/kit/log.ts'
import type { Identity } from '../../src/kit/identity.ts'
import { Call } from '../../src/sbc/call.ts'
import type { GuardPool } from '../../src/sbc/guard-link.ts'
import { LateRequests } from '../../src/sbc/late-requests.ts'
import type { Leg } from '../../src/sbc/leg.ts'
import { randomLetters } from '../../src/sbc/letters.ts'
import { MediaSession } from '../../src/sbc/media-session.ts'
import type { Party } from '../../src/sbc/party.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import type { TransferPlaces } from '../../src/sbc/transfer-places.ts'
import type { CallView } from '../../src/wire/call-protocol.ts'
import { NO_RESCUE, NO_TRANSFERS } from './call-places.ts'
import type { RescuePlaces } from '../../src/sbc/call-rescue.ts'
import { eventually } from './eventually.ts'
import { FakeDialog } from './fake-sip.ts'
import { TEST_FORM, AGENT_MARK, PAYER_MARK } from './guarded-call.ts'
import { guardPool } from './guard-pool.ts'
import { NgProxy } from './ng-proxy.ts'
import { RtpParty, type PartyCodec } from './rtp-party.ts'

/** An answered call of the sbc: fake dialogs, a real rtpengine, real RTP endpoints that talk, guards as given. */
export class SipCall {
  readonly call: Call
  readonly payer: RtpParty
  readonly agent: RtpParty
  readonly payerDialog: FakeDialog
  readonly agentDialog: FakeDialog
  readonly proxy: NgProxy
  readonly control: RtpengineControl
  readonly changes: CallView[] = []
  endedCount = 0
  /** The time of late requests; it stands still. */
  nowMs = 0
  readonly #guards: GuardPool

  private constructor(options: {
    readonly payer: RtpParty
    readonly agent: RtpParty
    readonly proxy: NgProxy
    readonly control: RtpengineControl
    readonly media: MediaSession
    readonly guards: GuardPool
    readonly rescue: Partial<RescuePlaces>
    readonly callId: string
    readonly payerTold: string
    readonly agentTold: string
    readonly transfers: TransferPlaces
  }) {
    this.payer = options.payer
    this.agent = options.agent
    this.proxy = options.proxy
    this.control = options.control
    this.#guards = options.guards
    this.payerDialog = new FakeDialog({ callId: 'payer-call-id', sdp: options.payerTold })
    this.agentDialog = new FakeDialog({ callId: 'agent-call-id', sdp: options.agentTold })
    this.payerDialog.answers = () => options.payer.sdp()
    this.agentDialog.answers = () => options.agent.sdp()
    const leg = (party: Party, dialog: FakeDialog): Leg => ({
      party,
      dialog,
      origin: { sessionId: 5, version: 1 },
      trunk: {
        ...testTrunk(
          party === 'payer' ? { name: 'carrier', side: 'carrier' } : { name: 'centre', side: 'contact-centre' },
        ),
        party,
      },
    })
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
      payer: leg('payer', this.payerDialog),
      agent: leg('agent', this.agentDialog),
      dependencies: {
        guards: options.guards,
        forms: [TEST_FORM],
        logger: createLogger({ role: 'test', level: 'silent' }),
        rescue: { ...NO_RESCUE, ...options.rescue },
        transfers: options.transfers,
        late: new LateRequests(() => this.nowMs),
        changed: (call) => this.changes.push(call.view()),
        ended: () => {
          this.endedCount += 1
        },
      },
    })
  }

  static async start(options: {
    readonly enginePort: number
    readonly identity: Identity
    readonly guardPorts: readonly number[]
    readonly codec?: PartyCodec
    readonly transfers?: TransferPlaces
    /** Where the call goes when its rtpengine is lost; nowhere when left out. */
    readonly rescue?: Partial<RescuePlaces>
  }): Promise<SipCall> {
    const logger = createLogger({ role: 'test', level: 'silent' })
    const codec = options.codec ?? 'PCMU'
    const payer = await RtpParty.open({ mark: PAYER_MARK, codec })
    const agent = await RtpParty.open({ mark: AGENT_MARK, codec })
    const proxy = await NgProxy.start(options.enginePort)
    const control = new RtpengineControl({ host: '127.0.0.1', port: proxy.port, logger })
    const guards = guardPool({ identity: options.identity, ports: options.guardPorts })
    const callId = randomLetters(20)
    const media = new MediaSession({ engine: control, callId })
    const offered = await media.offer('payer', payer.sdp(), { live: false })
    const answered = await media.answer('payer', agent.sdp(), { live: false })
    if (offered.kind === 'failed' || answered.kind === 'failed') throw new Error('the call was not set up')
    const sipCall = new SipCall({
      payer,
      agent,
      proxy,
      control,
      media,
      guards,
      rescue: options.rescue ?? {},
      callId,
      payerTold: answered.value,
      agentTold: offered.value,
      transfers: options.transfers ?? NO_TRANSFERS,
    })
    payer.sendTo(answered.value)
    agent.sendTo(offered.value)
    await eventually(() => guards.upCount === options.guardPorts.length)
    await agent.hears((heard) => heard.mark === PAYER_MARK)
    return sipCall
  }

  async isKnown(): Promise<boolean> {
    const found = await this.control.request('query', { 'call-id': this.call.facts.callId }, { deadlineMs: 1_000 })
    return found.kind === 'ok'
  }

  async close(): Promise<void> {
    this.call.end('closing')
    await this.call.media.delete()
    this.#guards.close()
    this.payer.close()
    this.agent.close()
    this.control.close()
    this.proxy.close()
  }
}
