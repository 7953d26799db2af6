import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Test } from 'tap'
import type { Address } from '../../src/sipd/flow.ts'
import { parseMessage } from '../../src/sipd/message-parser.ts'
import { MessageStream } from '../../src/sipd/message-stream.ts'
import { valueOf, type SipResponse } from '../../src/sipd/message.ts'
import type { Sipd } from '../../src/sipd/sipd.ts'
import { eventually } from '../fakes/eventually.ts'
import { application } from './application.ts'
import type { TortureMessage } from './data/torture-message.ts'

/** Ports that the messages' Vias name: answers over UDP go there, not to the port of the sender (RFC 3261 section 18.2.2). */
const VIA_PORTS = [5060, 5050, 6050, 19823]

/** A loopback address of this process alone, so that the ports are free. */
const HOST = `127.${100 + (process.pid % 100)}.${Math.floor(process.pid / 100) % 250}.9`

/** Sends bytes from the default port and keeps what is answered to any of the ports that the messages name. */
export class ViaPeer {
  readonly #sockets: readonly Socket[]
  readonly finals: SipResponse[] = []
  /** Datagrams that came and are no SIP message. */
  unreadable = 0

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
    for (const socket of sockets)
      socket.on('message', (bytes) => {
        if (parseMessage(bytes).kind !== 'message') this.unreadable += 1
        keepFinal(bytes, this.finals)
      })
  }

  static async open(t: Test): Promise<ViaPeer> {
    const sockets = await Promise.all(
      VIA_PORTS.map(async (port) => {
        const socket = createSocket('udp4')
        socket.bind(port, HOST)
        await once(socket, 'listening')
        t.teardown(() => socket.close())
        return socket
      }),
    )
    return new ViaPeer(sockets)
  }

  send(bytes: Buffer, to: Address): void {
    this.#sockets[0]?.send(bytes, to.port, to.host)
  }

  /** Sends a message and waits for its final answer. */
  async ask(bytes: Buffer, to: Address): Promise<SipResponse> {
    const before = this.finals.length
    const cseq = cseqOf(bytes)
    let found: SipResponse | undefined
    this.send(bytes, to)
    await eventually(() => {
      found = this.finals.slice(before).find((answer) => valueOf(answer, 'cseq') === cseq)
      return found !== undefined
    })
    if (found === undefined) throw new Error('no answer')
    return found
  }
}

/** Writes messages on one connection; resolves with the final answers once there are enough, and once it is closed if asked to. */
export async function overTcp(
  to: Address,
  messages: readonly Buffer[],
  expected: { readonly answers: number; readonly close: boolean },
): Promise<{ readonly answers: readonly SipResponse[]; readonly closed: boolean }> {
  const socket = connect(to)
  const stream = new MessageStream()
  const answers: SipResponse[] = []
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    for (const item of stream.push(chunk)) if (item.kind === 'message') keepFinal(item.bytes, answers)
  })
  for (const message of messages) socket.write(message)
  await eventually(() => answers.length >= expected.answers && (!expected.close || socket.closed))
  const { closed } = socket
  socket.destroy()
  return { answers, closed }
}

/** An application that refuses calls and plays a registrar; its bodies are by Call-ID. */
export async function registrar(t: Test, sipd: Sipd): Promise<ReadonlyMap<string, number>> {
  const bodies = new Map<string, number>()
  await application(t, sipd, (srf) => {
    srf.invite((request, response) => {
      const type = request.get('content-type') ?? ''
      const accepts = request.get('accept') ?? 'application/sdp'
      response.send(type !== 'application/sdp' ? 415 : accepts.includes('application/sdp') ? 486 : 406)
    })
    srf.use('options', (_, response) => response.send(200))
    // An address of record is a SIP URI (RFC 3261 section 10.3).
    srf.use('register', (request, response) => response.send(/^<?sips?:/.test(request.get('to') ?? '') ? 200 : 400))
    srf.use('message', (request, response) => {
      bodies.set(request.get('call-id') ?? '', Buffer.byteLength(request.body, 'utf8'))
      response.send(200)
    })
  })
  return bodies
}

/**
 * A message as it travels. The archives leave out the empty line behind some header sections, and RFC 5118 counts the
 * bodies of three messages otherwise than CRLF line ends do: there Content-Length is what it has to be.
 */
export function onTheWire(message: TortureMessage): Buffer {
  const text = message.bytes.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return Buffer.from(`${text}\r\n`, 'latin1')
  if (!message.section.startsWith('4.')) return message.bytes
  return Buffer.from(text.replace(/(Content-Length: )\d+/, `$1${text.length - end - 4}`), 'latin1')
}

/** A request that is always answered with 200. */
export function probe(callId: string): Buffer {
  return Buffer.from(
    [
      'OPTIONS sip:probe@127.0.0.1 SIP/2.0',
      `Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK${callId};rport`,
      'From: <sip:probe@127.0.0.1>;tag=probe',
      'To: <sip:probe@127.0.0.1>',
      `Call-ID: ${callId}`,
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  )
}

function keepFinal(bytes: Buffer, finals: SipResponse[]): void {
  const parsed = parseMessage(bytes)
  if (parsed.kind === 'message' && parsed.message.kind === 'response' && parsed.message.status >= 200)
    finals.push(parsed.message)
}

/** The CSeq of a message as an answer to it copies it: the first one, unfolded. */
function cseqOf(bytes: Buffer): string | undefined {
  const parsed = parseMessage(bytes)
  const message = parsed.kind === 'message' ? parsed.message : parsed.kind === 'refused' ? parsed.partial : undefined
  return message === undefined ? undefined : valueOf(message, 'cseq')
}
