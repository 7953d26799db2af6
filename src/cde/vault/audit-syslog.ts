import { connect, type TLSSocket } from 'node:tls'
import type { AuditRecord } from './audit-chain.ts'
import { recordLine } from './audit-lines.ts'
import type { AuditSink } from './audit-shipper.ts'

/** RFC 5424 6.2.1: facility 13 is the log audit; severity 5 is a normal but significant condition. */
const PRIORITY = 13 * 8 + 5
const CONNECT_MS_MAX = 5_000
const WRITE_MS_MAX = 5_000
/**
 * What the network had taken when a connection broke may not have arrived, and syslog has no acknowledgement (RFC 5425 has none): so
 * many are sent again on a new connection. The collector tells them by their sequence.
 */
const SENT_AGAIN_MAX = 500

export type SyslogOptions = {
  readonly host: string
  readonly port: number
  /** PEM of the authority that the collector's certificate must come from. */
  readonly authority: string | Buffer
  /** The name that the certificate must have; the host unless told. */
  readonly name?: string
  /** PEM, where the collector asks who we are. */
  readonly identity?: { readonly certificate: string | Buffer; readonly key: string | Buffer }
  readonly connectMs?: number
  readonly writeMs?: number
}

/** A collector that cannot be reached, is not who it must be, or takes nothing. */
export class SyslogFailure extends Error {
  override readonly name = 'SyslogFailure'
  readonly code: string

  constructor(code: string) {
    super('the collector of the audit record does not take it')
    this.code = code
  }
}

/** The audit record to a collector: RFC 5424 messages over TLS (RFC 5425), each with its length in front (octet counting). */
export class AuditSyslog implements AuditSink {
  readonly name = 'syslog'
  readonly #options: SyslogOptions
  #socket: TLSSocket | null = null
  #recent: readonly AuditRecord[] = []
  #closed = false

  constructor(options: SyslogOptions) {
    this.#options = options
  }

  /** Where the store remembers nothing, the whole record is shipped. */
  begin(kept: number): Promise<number> {
    this.#closed = false
    return Promise.resolve(kept)
  }

  async write(records: readonly AuditRecord[]): Promise<void> {
    const isNew = this.#socket === null
    const socket = (this.#socket ??= await this.#connect())
    const sent = isNew ? [...this.#recent, ...records] : records
    await written(socket, Buffer.concat(sent.map(syslogFrame)), this.#options.writeMs ?? WRITE_MS_MAX)
    this.#recent = [...this.#recent, ...records].slice(-SENT_AGAIN_MAX)
  }

  close(): Promise<void> {
    this.#closed = true
    this.#socket?.end()
    this.#socket?.unref()
    this.#socket = null
    return Promise.resolve()
  }

  #connect(): Promise<TLSSocket> {
    const { host, port, authority, name = host, identity, connectMs = CONNECT_MS_MAX } = this.#options
    if (this.#closed) return Promise.reject(new SyslogFailure('closed'))
    return new Promise((resolve, reject) => {
      const socket = connect({
        host,
        port,
        ca: authority,
        // An address has no server name (RFC 6066), but its certificate is checked for it all the same.
        ...(isAddress(name) ? {} : { servername: name }),
        minVersion: 'TLSv1.2',
        ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.key }),
      })
      const timer = setTimeout(() => socket.destroy(new SyslogFailure('connect_timeout')), connectMs)
      socket.on('error', (error) => {
        reject(new SyslogFailure('code' in error && typeof error.code === 'string' ? error.code : 'tls'))
      })
      socket.on('close', () => {
        clearTimeout(timer)
        if (this.#socket === socket) this.#socket = null
        reject(new SyslogFailure('closed'))
      })
      // A collector says nothing; reading notices that it hung up.
      socket.resume()
      socket.once('secureConnect', () => {
        clearTimeout(timer)
        resolve(socket)
      })
    })
  }
}

/** `LENGTH SP <PRI>1 TIME - tonewall-vault - ACTION - JSON`: the text of the message is the record as in a file, to be verified there. */
export function syslogFrame(record: AuditRecord): Buffer {
  const head = ['<' + String(PRIORITY) + '>1', record.at, '-', 'tonewall-vault', '-', record.action, '-'].join(' ')
  // RFC 5424 6.4: UTF-8 is announced by a byte order mark.
  const message = Buffer.from(head + ' \ufeff' + recordLine(record), 'utf8')
  return Buffer.concat([Buffer.from(String(message.length) + ' '), message])
}

function written(socket: TLSSocket, bytes: Buffer, withinMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new SyslogFailure('closed'))
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new SyslogFailure('write_timeout'))
    }, withinMs)
    socket.once('close', fail)
    socket.write(bytes, (error) => {
      clearTimeout(timer)
      socket.off('close', fail)
      if (error === null || error === undefined) resolve()
      else fail()
    })
  })
}

function isAddress(name: string): boolean {
  return /^[\d.]+$|:/.test(name)
}
