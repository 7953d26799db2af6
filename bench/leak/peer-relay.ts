import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createLogger } from '../../src/kit/log.ts'
import { RtpengineControl, type NgCommand, type NgRequest } from '../../src/sbc/rtpengine-control.ts'
import { startRtpengine, type Rtpengine } from '../../test/fakes/rtpengine.ts'
import { silenceLibrary } from './codecs-gateway.ts'
import type { BenchPhone } from './real-path-phone.ts'

/** What rtpengine puts in the place of a digit (its DTMF-security), and how long it holds audio back to be in time. */
export type PeerSetting = {
  readonly name: string
  readonly security: 'off' | 'drop' | 'silence' | 'zero' | 'tone' | 'random'
  readonly delayBufferMs: number
}

const DEADLINE_MS = 3_000
const COMMON = { flags: ['trust address'], replace: ['origin', 'session-connection'], ICE: 'remove' }

/** rtpengine alone between two telephones, with its own blocking of DTMF: what Tonewall is compared with. */
export class PeerRelay {
  readonly #rtpengine: Rtpengine
  readonly #control: RtpengineControl
  readonly #plain: Socket
  #calls = 0
  #orders = 0

  private constructor(rtpengine: Rtpengine, plain: Socket) {
    this.#rtpengine = rtpengine
    this.#plain = plain
    const logger = createLogger({ role: 'bench', level: 'silent' })
    this.#control = new RtpengineControl({ host: rtpengine.host, port: rtpengine.port, logger })
  }

  static async start(): Promise<PeerRelay> {
    silenceLibrary()
    const plain = createSocket('udp4')
    plain.bind(0, '127.0.0.1')
    await once(plain, 'listening')
    return new PeerRelay(await startRtpengine(), plain)
  }

  /** False when the daemon has ended: some settings end it. */
  get isAlive(): boolean {
    return this.#rtpengine.process.exitCode === null && this.#rtpengine.process.signalCode === null
  }

  /** Connects two phones and has what the payer sends blocked. Rejects when rtpengine refuses. */
  async call(phones: { readonly payer: BenchPhone; readonly agent: BenchPhone }, setting: PeerSetting): Promise<void> {
    this.#calls += 1
    const callId = `peer-${this.#calls}`
    const tags = { 'call-id': callId, 'from-tag': 'payer' }
    const blocking =
      setting.security === 'off' || setting.security === 'drop'
        ? {}
        : { 'DTMF-security': setting.security, 'delay-buffer': setting.delayBufferMs }
    const offer = await this.#described('offer', { ...tags, sdp: phones.payer.offer() })
    const answer = phones.agent.answerTo(offer)
    if (answer === undefined) throw new Error('the phones of the bench do not fit')
    phones.payer.acceptAnswer(await this.#described('answer', { ...tags, 'to-tag': 'agent', sdp: answer }))
    if (setting.security !== 'off') {
      await this.#order({ command: 'block DTMF', 'call-id': callId, 'from-tag': 'payer', ...blocking })
    }
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#control.close()
    this.#plain.removeAllListeners()
    this.#plain.close()
    await this.#rtpengine.close()
  }

  async #described(command: NgCommand, fields: NgRequest): Promise<string> {
    const reply = await this.#control.request(command, { ...COMMON, ...fields }, { deadlineMs: DEADLINE_MS })
    const sdp = reply.kind === 'ok' ? reply.reply['sdp'] : undefined
    if (typeof sdp !== 'string') throw new Error('rtpengine did not connect the phones of the bench')
    return sdp
  }

  /** A command that the product has no use for, and so its door does not know. */
  async #order(fields: Readonly<Record<string, string | number>>): Promise<void> {
    this.#orders += 1
    const cookie = `bench-${this.#orders}`
    const answered = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#plain.off('message', hear)
        reject(new Error('rtpengine does not answer'))
      }, DEADLINE_MS)
      const hear = (datagram: Buffer): void => {
        const text = datagram.toString('latin1')
        if (!text.startsWith(`${cookie} `)) return
        clearTimeout(timer)
        this.#plain.off('message', hear)
        resolve(text)
      }
      this.#plain.on('message', hear)
    })
    const body = Object.entries(fields)
      .map(([key, value]) => bencoded(key) + bencoded(value))
      .join('')
    this.#plain.send(`${cookie} d${body}e`, this.#rtpengine.port, this.#rtpengine.host)
    if (!(await answered).includes('6:result2:ok')) throw new Error('rtpengine did not take the order to block')
  }
}

function bencoded(value: string | number): string {
  return typeof value === 'number' ? `i${value}e` : `${Buffer.byteLength(value)}:${value}`
}
