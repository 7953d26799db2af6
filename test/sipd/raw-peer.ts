import { hostPortText } from '../../src/kit/host-text.ts'
import { once } from 'node:events'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, createServer, isIP, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import type { Address } from '../../src/sipd/flow.ts'
import { parseMessage } from '../../src/sipd/message-parser.ts'
import { MessageStream } from '../../src/sipd/message-stream.ts'
import {
  header,
  serialize,
  valueOf,
  type Header,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from '../../src/sipd/message.ts'

/** Longer than any answer on loopback takes, shorter than the patience of a test file. */
const WAIT_MS = 5_000

export const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n'

export type PeerIdentity = {
  readonly certificate: Buffer
  readonly key: Buffer
  readonly authority: Buffer
  /** The service has to prove this name where the peer connects to it; absent: none. */
  readonly serviceName?: string
  /** Only servers show certificates. */
  readonly isOneWay?: boolean
}

/** A SIP endpoint without any state: sends what a test says, keeps what arrives until a test asks for it. */
export class RawPeer {
  readonly transport: 'udp' | 'tcp' | 'tls'
  readonly address: Address
  readonly #send: (bytes: Buffer, to: Address) => void
  readonly #close: () => Promise<void>
  readonly #arrived: { readonly message: SipMessage; readonly from: Address }[] = []
  readonly #waiting: {
    readonly wanted: (message: SipMessage) => boolean
    readonly found: (message: SipMessage) => void
  }[] = []
  /** Takes a message that arrived; true: it is not kept for next(). */
  takes: (message: SipMessage, from: Address) => boolean = () => false
  /** Everything that ever arrived, in order. */
  readonly log: SipMessage[] = []
  /** Where the newest message came from: over TCP, the connection to answer on. */
  lastFrom: Address | undefined
  #branch = 0

  private constructor(
    transport: 'udp' | 'tcp' | 'tls',
    address: Address,
    send: (bytes: Buffer, to: Address) => void,
    close: () => Promise<void>,
  ) {
    this.transport = transport
    this.address = address
    this.#send = send
    this.#close = close
  }

  static async udp(host = '127.0.0.1', port = 0): Promise<RawPeer> {
    const socket: UdpSocket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
    socket.bind(port, host)
    await once(socket, 'listening')
    const peer = new RawPeer(
      'udp',
      { host, port: socket.address().port },
      (bytes, to) => socket.send(bytes, to.port, to.host),
      async () => {
        socket.close()
        await once(socket, 'close')
      },
    )
    socket.on('message', (bytes, from) => peer.#arrive(bytes, { host: from.address, port: from.port }))
    return peer
  }

  static tcp(host = '127.0.0.1'): Promise<RawPeer> {
    return RawPeer.#stream(host, undefined)
  }

  /** Shows its certificate on both ends, and demands one of the same authority. */
  static tls(identity: PeerIdentity, host = '127.0.0.1'): Promise<RawPeer> {
    return RawPeer.#stream(host, identity)
  }

  static async #stream(host: string, identity: PeerIdentity | undefined): Promise<RawPeer> {
    const isMutual = identity?.isOneWay !== true
    const terms =
      identity === undefined
        ? undefined
        : { cert: identity.certificate, key: identity.key, ca: identity.authority, minVersion: 'TLSv1.2' as const }
    const server: Server =
      terms === undefined
        ? createServer()
        : createTlsServer({ ...terms, requestCert: isMutual, rejectUnauthorized: isMutual })
    const sockets = new Map<string, Socket>()
    server.listen(0, host)
    await once(server, 'listening')
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('no address')
    const adopt = (socket: Socket, remote: Address): void => {
      const stream = new MessageStream()
      sockets.set(`${remote.host}:${remote.port}`, socket)
      socket.on('error', () => socket.destroy())
      socket.on('data', (chunk: Buffer) => {
        for (const item of stream.push(chunk)) if (item.kind === 'message') peer.#arrive(item.bytes, remote)
      })
    }
    const send = (bytes: Buffer, to: Address): void => {
      let socket = sockets.get(`${to.host}:${to.port}`)
      if (socket === undefined || socket.destroyed) {
        const name = identity?.serviceName
        // Node hands the local address on to the TCP socket, which its type of options does not say.
        const way: { readonly host: string; readonly port: number } = Object.assign({ localAddress: host }, to)
        socket =
          terms === undefined
            ? connect(way)
            : connectTls({
                ...(isMutual ? terms : { ca: terms.ca, minVersion: terms.minVersion }),
                ...way,
                ...(name === undefined ? { checkServerIdentity: () => undefined } : { servername: name }),
              })
        adopt(socket, to)
      }
      socket.write(bytes)
    }
    const close = async (): Promise<void> => {
      for (const socket of sockets.values()) socket.destroy()
      server.close()
      await once(server, 'close')
    }
    const peer = new RawPeer(terms === undefined ? 'tcp' : 'tls', { host, port: bound.port }, send, close)
    server.on(terms === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
      adopt(socket, { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }),
    )
    return peer
  }

  get uri(): string {
    return `sip:peer@${hostPortText(this.address)}${this.transport === 'udp' ? '' : `;transport=${this.transport}`}`
  }

  /** Sends the bytes as they are. */
  sendRaw(bytes: Buffer | string, to: Address): void {
    this.#send(Buffer.from(bytes as string, 'latin1'), to)
  }

  /** Builds and sends a request; headers given override the usual ones by name. */
  request(
    to: Address,
    options: {
      readonly method: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
      readonly uri?: string
    },
  ): SipRequest {
    this.#branch += 1
    const { method } = options
    const usual: Record<string, string> = {
      via: `SIP/2.0/${this.transport.toUpperCase()} ${hostPortText(this.address)};branch=z9hG4bK${this.address.port}-${this.#branch};rport`,
      'max-forwards': '70',
      from: `<sip:caller@${shown(this.address.host)}>;tag=from${this.address.port}`,
      to: `<sip:service@${shown(to.host)}>`,
      'call-id': `call-${this.address.port}-${this.#branch}`,
      cseq: `1 ${method}`,
      contact: `<${this.uri}>`,
      ...(options.body === undefined ? {} : { 'content-type': 'application/sdp' }),
      ...options.headers,
    }
    const headers: Header[] = Object.entries(usual)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => header(name, value))
    const request: SipRequest = {
      kind: 'request',
      method,
      uri: options.uri ?? `sip:service@${hostPortText(to)}`,
      headers,
      body: Buffer.from(options.body ?? ''),
    }
    this.#send(serialize(request), to)
    return request
  }

  /** A request in the dialog that this peer opened with `invite` and the service answered with `response`. */
  inDialog(
    to: Address,
    dialog: { readonly invite: SipRequest; readonly response: SipResponse },
    options: {
      readonly method: string
      readonly cseq: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    },
  ): SipRequest {
    const { invite, response } = dialog
    return this.request(to, {
      ...options,
      headers: {
        from: valueOf(invite, 'from') ?? '',
        to: valueOf(response, 'to') ?? '',
        'call-id': valueOf(invite, 'call-id') ?? '',
        cseq: `${options.cseq} ${options.method}`,
        ...options.headers,
      },
    })
  }

  /** Answers a request that arrived here. */
  respond(
    request: SipRequest,
    to: Address,
    options: {
      readonly status: number
      readonly tag?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string
    },
  ): void {
    const headers: Header[] = request.headers.filter(({ key }) =>
      ['via', 'from', 'call-id', 'cseq', 'record-route'].includes(key),
    )
    const requestTo = valueOf(request, 'to') ?? ''
    headers.push(
      header(
        'To',
        options.tag === undefined || requestTo.includes(';tag=') ? requestTo : `${requestTo};tag=${options.tag}`,
      ),
    )
    if (options.headers?.['contact'] === undefined) headers.push(header('Contact', `<${this.uri}>`))
    if (options.body !== undefined) headers.push(header('Content-Type', 'application/sdp'))
    for (const [name, value] of Object.entries(options.headers ?? {})) headers.push(header(name, value))
    this.#send(
      serialize({
        kind: 'response',
        status: options.status,
        reason: 'Test',
        headers,
        body: Buffer.from(options.body ?? ''),
      }),
      to,
    )
  }

  /** The next request with this method, the oldest first; rejects after the deadline. */
  async nextRequest(method: string): Promise<SipRequest> {
    const message = await this.next((candidate) => candidate.kind === 'request' && candidate.method === method, method)
    if (message.kind !== 'request') throw new Error('not a request')
    return message
  }

  /** The next response to this method with a status in the given range. */
  async nextResponse(method: string, from: number, to: number = from): Promise<SipResponse> {
    const wanted = (candidate: SipMessage): boolean =>
      candidate.kind === 'response' &&
      candidate.status >= from &&
      candidate.status <= to &&
      valueOf(candidate, 'cseq')?.endsWith(` ${method}`) === true
    const message = await this.next(wanted, `${from} to ${method}`)
    if (message.kind !== 'response') throw new Error('not a response')
    return message
  }

  next(wanted: (message: SipMessage) => boolean, what: string): Promise<SipMessage> {
    const index = this.#arrived.findIndex(({ message }) => wanted(message))
    const [found] = index === -1 ? [] : this.#arrived.splice(index, 1)
    if (found !== undefined) return Promise.resolve(found.message)
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`nothing arrived in time: ${what}`)), WAIT_MS)
      this.#waiting.push({
        wanted,
        found: (message) => {
          clearTimeout(late)
          resolve(message)
        },
      })
    })
  }

  close(): Promise<void> {
    return this.#close()
  }

  #arrive(bytes: Buffer, from: Address): void {
    const parsed = parseMessage(bytes)
    if (parsed.kind !== 'message') return
    this.log.push(parsed.message)
    this.lastFrom = from
    if (this.takes(parsed.message, from)) return
    const index = this.#waiting.findIndex(({ wanted }) => wanted(parsed.message))
    const [waiting] = index === -1 ? [] : this.#waiting.splice(index, 1)
    if (waiting === undefined) this.#arrived.push({ message: parsed.message, from })
    else waiting.found(parsed.message)
  }
}

function shown(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
