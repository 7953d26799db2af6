import { once } from 'node:events'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server } from 'node:net'

/** Record types (RFC 1035, RFC 2782, RFC 3403, RFC 3596). */
const TYPES = { A: 1, CNAME: 5, AAAA: 28, SRV: 33, NAPTR: 35 } as const

export type DnsType = keyof typeof TYPES

export type DnsRecord = { readonly ttl?: number } & (
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'CNAME'; readonly target: string }
  | {
      readonly type: 'SRV'
      readonly priority: number
      readonly weight: number
      readonly port: number
      readonly target: string
    }
  | {
      readonly type: 'NAPTR'
      readonly order: number
      readonly preference: number
      readonly flags: string
      readonly service: string
      readonly replacement: string
    }
)

/** What the server does with questions for one name and type, beside answering them. */
export type DnsTrouble =
  | { readonly kind: 'silent' }
  | { readonly kind: 'garbage'; readonly bytes: Buffer }
  | { readonly kind: 'code'; readonly code: number }
  /** The answer over UDP says that it was cut; the whole one is there over TCP. */
  | { readonly kind: 'truncated' }
  | { readonly kind: 'late'; readonly afterMs: number }

/** A DNS server on loopback that knows what a test tells it; other names do not exist. Writes its packets itself. */
export class DnsServer {
  /** Every question, as `NAPTR example.test`. */
  readonly asked: string[] = []
  readonly #udp: UdpSocket
  readonly #tcp: Server
  readonly #records = new Map<string, readonly (DnsRecord & { readonly name?: string })[]>()
  readonly #troubles = new Map<string, DnsTrouble>()
  readonly #late = new Set<NodeJS.Timeout>()

  private constructor(udp: UdpSocket, tcp: Server) {
    this.#udp = udp
    this.#tcp = tcp
    udp.on('message', (question, from) => {
      this.#answer(question, (answer) => udp.send(answer, from.port, from.address), 'udp')
    })
    tcp.on('connection', (socket) => {
      socket.on('error', () => socket.destroy())
      socket.on('data', (chunk: Buffer) => {
        const send = (answer: Buffer): void => {
          socket.end(Buffer.concat([uint16(answer.length), answer]))
        }
        this.#answer(chunk.subarray(2), send, 'tcp')
      })
    })
  }

  static async open(): Promise<DnsServer> {
    for (;;) {
      const udp = createSocket('udp4').bind(0, '127.0.0.1')
      await once(udp, 'listening')
      const tcp = createServer()
      try {
        tcp.listen(udp.address().port, '127.0.0.1')
        await once(tcp, 'listening')
        return new DnsServer(udp, tcp)
      } catch {
        // The port is taken for TCP: another one will do.
        udp.close()
      }
    }
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: this.#udp.address().port }
  }

  /** From now on this is the answer to a question; a record may say another name than the one asked for (after a CNAME). */
  set(name: string, type: DnsType, records: readonly (DnsRecord & { readonly name?: string })[]): void {
    this.#records.set(`${type} ${name}`, records)
  }

  trouble(name: string, type: DnsType, trouble: DnsTrouble): void {
    this.#troubles.set(`${type} ${name}`, trouble)
  }

  count(question: string): number {
    return this.asked.filter((asked) => asked === question).length
  }

  async close(): Promise<void> {
    for (const timer of this.#late) clearTimeout(timer)
    this.#udp.close()
    this.#tcp.close()
    await once(this.#tcp, 'close')
  }

  #answer(question: Buffer, send: (answer: Buffer) => void, transport: 'udp' | 'tcp'): void {
    const { name, type, end } = readQuestion(question)
    const known = Object.entries(TYPES).find(([, number]) => number === type)
    const key = `${known?.[0] ?? type} ${name}`
    this.asked.push(key)
    const trouble = this.#troubles.get(key)
    const records = this.#records.get(key)
    const head = { id: question.subarray(0, 2), question: question.subarray(12, end), asked: name }
    switch (trouble?.kind) {
      case 'silent':
        return
      case 'garbage':
        return send(Buffer.concat([head.id, trouble.bytes]))
      case 'code':
        return send(packet({ ...head, code: trouble.code, records: [] }))
      case 'truncated':
        return send(
          packet({ ...head, truncated: transport === 'udp', records: transport === 'udp' ? [] : (records ?? []) }),
        )
      case 'late': {
        const timer = setTimeout(() => send(packet({ ...head, records: records ?? [] })), trouble.afterMs)
        this.#late.add(timer)
        return
      }
      case undefined:
        send(packet({ ...head, code: this.#knows(name) ? 0 : NXDOMAIN, records: records ?? [] }))
    }
  }

  #knows(name: string): boolean {
    return [...this.#records.keys()].some((key) => key.endsWith(` ${name}`))
  }
}

const NXDOMAIN = 3

/** Header of RFC 1035 section 4.1.1: answer, authoritative, recursion desired and available. */
function packet(answer: {
  readonly id: Buffer
  readonly question: Buffer
  readonly asked: string
  readonly code?: number
  readonly truncated?: boolean
  readonly records: readonly (DnsRecord & { readonly name?: string })[]
}): Buffer {
  const flags = 0x8580 | (answer.truncated === true ? 0x0200 : 0) | (answer.code ?? 0)
  return Buffer.concat([
    answer.id,
    ...[flags, 1, answer.records.length, 0, 0].map(uint16),
    answer.question,
    ...answer.records.map((record) => recordBytes(record.name ?? answer.asked, record)),
  ])
}

function recordBytes(name: string, record: DnsRecord): Buffer {
  const data = dataBytes(record)
  const ttl = Buffer.alloc(4)
  ttl.writeUInt32BE(record.ttl ?? 60)
  return Buffer.concat([nameBytes(name), uint16(TYPES[record.type]), uint16(1), ttl, uint16(data.length), data])
}

function dataBytes(record: DnsRecord): Buffer {
  switch (record.type) {
    case 'A':
      return Buffer.from(record.address.split('.').map(Number))
    case 'AAAA':
      return Buffer.concat(record.address.split(':').map((group) => uint16(Number.parseInt(group, 16))))
    case 'CNAME':
      return nameBytes(record.target)
    case 'SRV':
      return Buffer.concat([...[record.priority, record.weight, record.port].map(uint16), nameBytes(record.target)])
    case 'NAPTR':
      return Buffer.concat([
        uint16(record.order),
        uint16(record.preference),
        ...[record.flags, record.service, ''].map(textBytes),
        nameBytes(record.replacement),
      ])
  }
}

/** Labels of at most 63 bytes; `.` and the empty name are the root. */
function nameBytes(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  return Buffer.concat([...labels.map(textBytes), Buffer.of(0)])
}

function textBytes(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

/** The one question of a query: its name in lower case, its type, and where it ends. */
function readQuestion(query: Buffer): { readonly name: string; readonly type: number; readonly end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length !== 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 }
}
