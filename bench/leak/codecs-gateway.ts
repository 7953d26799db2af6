import { createLogger } from '../../src/kit/log.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { startRtpengine, type Rtpengine } from '../../test/fakes/rtpengine.ts'
import type { Gateway } from './real-path-phone.ts'

/** Codecs that a telephone of the bench speaks only through a gateway. */
export const GATEWAY_CODECS = ['opus', 'GSM', 'G729', 'speex/16000'] as const
export type GatewayCodec = (typeof GATEWAY_CODECS)[number]

const DEADLINE_MS = 2_000
const FLAGS = ['trust address']

/**
 * An rtpengine of its own in front of a telephone, as a carrier's gateway: G.711 on the telephone's side, another codec
 * on the trunk's. It codes for real, and it puts telephone-events on the clock of that codec (48 kHz for Opus).
 */
export class CodecGateway {
  readonly #rtpengine: Rtpengine
  readonly #control: RtpengineControl
  #calls = 0

  private constructor(rtpengine: Rtpengine) {
    this.#rtpengine = rtpengine
    const logger = createLogger({ role: 'bench', level: 'silent' })
    this.#control = new RtpengineControl({ host: rtpengine.host, port: rtpengine.port, logger })
  }

  static async start(): Promise<CodecGateway> {
    silenceLibrary()
    return new CodecGateway(await startRtpengine())
  }

  /** To be given to BenchPhone.open: from then on the telephone is behind this gateway. */
  inFront(
    codec: GatewayCodec,
  ): (phone: { readonly sdp: string; readonly direct: (sdp: string) => void }) => Promise<Gateway> {
    return async (phone) => {
      this.#calls += 1
      const callId = `gateway-${this.#calls}`
      const reply = await this.#control.request(
        'offer',
        {
          'call-id': callId,
          'from-tag': 'telephone',
          sdp: phone.sdp,
          flags: FLAGS,
          replace: ['origin', 'session-connection'],
          ICE: 'remove',
          codec: { mask: ['all'], transcode: [codec, 'telephone-event'] },
        },
        { deadlineMs: DEADLINE_MS },
      )
      const sdp = reply.kind === 'ok' ? reply.reply['sdp'] : undefined
      if (typeof sdp !== 'string') throw new Error('the gateway does not know the codec')
      return {
        sdp,
        told: (answer) => {
          void this.#answer(callId, answer).then((told) => {
            if (told !== undefined) phone.direct(told)
          })
        },
      }
    }
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#control.close()
    await this.#rtpengine.close()
  }

  async #answer(callId: string, sdp: string): Promise<string | undefined> {
    const reply = await this.#control.request(
      'answer',
      {
        'call-id': callId,
        'from-tag': 'telephone',
        'to-tag': 'trunk',
        sdp,
        flags: FLAGS,
        replace: ['origin', 'session-connection'],
        ICE: 'remove',
      },
      { deadlineMs: DEADLINE_MS },
    )
    const told = reply.kind === 'ok' ? reply.reply['sdp'] : undefined
    return typeof told === 'string' ? told : undefined
  }
}

/** rtpengine-client prints every reply that comes twice, and on a busy machine many do. */
export function silenceLibrary(): void {
  Object.assign(globalThis.console, { log: () => undefined })
}
