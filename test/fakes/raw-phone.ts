import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { randomLetters } from '../../src/sbc/letters.ts'
import type { HostPort } from '../../src/wire/configuration.ts'
import { eventually } from './eventually.ts'
import type { PacketFile } from './packet-file.ts'

/** Nobody is there. */
const NO_AUDIO_PORT = 6_000

/** A dialog of a raw phone: its own tag and the peer's. */
export type RawDialog = {
  readonly callId: string
  readonly own: string
  readonly peer: string
  readonly target: string
  /** What the peer said of its media when the call began. */
  readonly sdp: string
}

export type RawPhoneOptions = {
  /** Where its audio is; nowhere that answers unless said. */
  readonly audioPort?: number
  /** Keeps every datagram. */
  readonly tap?: PacketFile
}

/** A telephone of plain text over UDP, for what sipp cannot do: several dialogs of one telephone that know each other. */
export class RawPhone {
  readonly local: HostPort
  readonly heard: string[] = []
  readonly #socket: Socket
  readonly #server: HostPort
  readonly #options: RawPhoneOptions
  #count = 0
  #versions = 0

  private constructor(
    socket: Socket,
    ends: { readonly local: HostPort; readonly server: HostPort },
    options: RawPhoneOptions,
  ) {
    this.#socket = socket
    this.local = ends.local
    this.#server = ends.server
    this.#options = options
    socket.on('message', (datagram, from) => {
      options.tap?.add(datagram, { from: { host: from.address, port: from.port }, to: this.local })
      this.#take(datagram.toString())
    })
  }

  static async open(local: HostPort, server: HostPort, options: RawPhoneOptions = {}): Promise<RawPhone> {
    const socket = createSocket('udp4')
    socket.bind(local.port, local.host)
    await once(socket, 'listening')
    return new RawPhone(socket, { local, server }, options)
  }

  /** Waits to be called and answers; the dialog. */
  async isCalled(): Promise<RawDialog> {
    const invite = await this.hears((message) => message.startsWith('INVITE '))
    const own = randomLetters(8)
    const to = `${header(invite, 'To')};tag=${own}`
    this.#send(this.#answer(invite, { status: '200 OK', to, body: this.#sdp('0 101') }))
    await this.hears((message) => message.startsWith('ACK ') && message.includes(header(invite, 'Call-ID')))
    return {
      callId: header(invite, 'Call-ID'),
      own,
      peer: tagOf(header(invite, 'From')),
      target: header(invite, 'Contact').replace(/[<>]/g, ''),
      sdp: bodyOf(invite),
    }
  }

  /** Calls a number; the dialog. Throws unless it is answered with 200. */
  async calls(number: string, extra = ''): Promise<RawDialog> {
    const start = { callId: randomLetters(16), own: randomLetters(8), peer: '', sdp: '' }
    const uri = `sip:${number}@${this.#server.host}:${this.#server.port}`
    this.#send(this.#request('INVITE', { ...start, target: uri }, { extra, body: this.#sdp('0 8 101') }))
    const answer = await this.hears((message) => /^SIP\/2\.0 [2-6]/.test(message) && message.includes(start.callId))
    const peer = tagOf(header(answer, 'To'))
    if (!answer.startsWith('SIP/2.0 200')) {
      // The ACK of a refusal belongs to the INVITE's transaction (RFC 3261 section 17.1.1.3).
      this.#send(this.#request('ACK', { ...start, peer, target: uri }, { sequence: 1, branchOf: 'INVITE' }))
      throw new Error(answer.split('\r\n')[0])
    }
    const target = header(answer, 'Contact').replace(/[<>]/g, '')
    const dialog = { ...start, peer, target, sdp: bodyOf(answer) }
    this.#send(this.#request('ACK', dialog, { sequence: 1 }))
    return dialog
  }

  /** A request in a dialog; the final response. */
  async asks(method: string, dialog: RawDialog, extra = ''): Promise<string> {
    this.#send(this.#request(method, dialog, { extra }))
    const sequence = `CSeq: ${this.#count} ${method}`
    return this.hears((message) => /^SIP\/2\.0 [2-6]/.test(message) && message.includes(sequence))
  }

  /** Offers again in a dialog; the final response. */
  async offers(dialog: RawDialog, direction: string): Promise<string> {
    const body = this.#sdp('0 101', direction)
    this.#send(this.#request('INVITE', dialog, { body }))
    const sequence = this.#count
    const isAnswer = (message: string) =>
      /^SIP\/2\.0 [2-6]/.test(message) && message.includes(`CSeq: ${sequence} INVITE`)
    const answer = await this.hears(isAnswer)
    this.#send(this.#request('ACK', dialog, { sequence }))
    return answer
  }

  /** Waits for an offer in a dialog, and answers it; what was offered. */
  async isOffered(dialog: RawDialog, direction: string): Promise<string> {
    const invite = await this.hears((message) => message.startsWith('INVITE ') && message.includes(dialog.callId))
    this.#send(this.#answer(invite, { status: '200 OK', body: this.#sdp('0 101', direction) }))
    await this.hears((message) => message.startsWith('ACK ') && message.includes(dialog.callId))
    return bodyOf(invite)
  }

  /** The first message heard so far, or to be heard, that fits; it is not given twice. */
  async hears(fits: (message: string) => boolean): Promise<string> {
    await eventually(() => this.heard.some(fits))
    const [message] = this.heard.splice(this.heard.findIndex(fits), 1)
    return message ?? ''
  }

  close(): void {
    this.#socket.close()
  }

  #take(message: string): void {
    this.heard.push(message)
    // Everything in a dialog but INVITE and ACK is welcome.
    if (/^(BYE|NOTIFY|OPTIONS|UPDATE) /.test(message)) this.#send(this.#answer(message, { status: '200 OK' }))
  }

  #request(
    method: string,
    dialog: RawDialog,
    options: {
      readonly extra?: string
      readonly body?: string
      readonly sequence?: number
      readonly branchOf?: string
    } = {},
  ): string {
    const sequence = options.sequence ?? (method === 'INVITE' && dialog.peer === '' ? 1 : (this.#count += 1))
    const body = options.body ?? ''
    return [
      `${method} ${dialog.target} SIP/2.0`,
      `Via: SIP/2.0/UDP ${this.local.host}:${this.local.port};branch=z9hG4bK${dialog.own}${options.branchOf ?? method}${sequence}`,
      `From: <sip:anna@${this.local.host}>;tag=${dialog.own}`,
      `To: <sip:peer@${this.#server.host}>${dialog.peer === '' ? '' : `;tag=${dialog.peer}`}`,
      `Call-ID: ${dialog.callId}`,
      `CSeq: ${sequence} ${method}`,
      `Contact: <sip:anna@${this.local.host}:${this.local.port}>`,
      'Max-Forwards: 70',
      ...(options.extra === undefined || options.extra === '' ? [] : [options.extra]),
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n')
  }

  #answer(request: string, options: { readonly status: string; readonly to?: string; readonly body?: string }): string {
    const body = options.body ?? ''
    return [
      `SIP/2.0 ${options.status}`,
      ...request.split('\r\n').filter((line) => /^(Via|From|Call-ID|CSeq|Record-Route):/i.test(line)),
      `To: ${options.to ?? header(request, 'To')}`,
      `Contact: <sip:anna@${this.local.host}:${this.local.port}>`,
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n')
  }

  #sdp(types: string, direction = 'sendrecv'): string {
    const { host } = this.local
    this.#versions += 1
    const origin = `o=- 1 ${this.#versions} IN IP4 ${host}`
    const media = `m=audio ${this.#options.audioPort ?? NO_AUDIO_PORT} RTP/AVP ${types}`
    const maps = ['a=rtpmap:0 PCMU/8000', 'a=rtpmap:8 PCMA/8000', 'a=rtpmap:101 telephone-event/8000']
    return ['v=0', origin, 's=-', `c=IN IP4 ${host}`, 't=0 0', media, ...maps, `a=${direction}`, ''].join('\r\n')
  }

  #send(message: string): void {
    this.#options.tap?.add(Buffer.from(message), { from: this.local, to: this.#server })
    this.#socket.send(message, this.#server.port, this.#server.host)
  }
}

function header(message: string, name: string): string {
  return new RegExp(`^${name}:\\s*(.*?)\\s*$`, 'im').exec(message)?.[1] ?? ''
}

function bodyOf(message: string): string {
  return message.slice(message.indexOf('\r\n\r\n') + 4)
}

function tagOf(value: string): string {
  return /;tag=([^;>\s]+)/i.exec(value)?.[1] ?? ''
}
