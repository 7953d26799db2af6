import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { AddressInfo } from 'node:net'
import type { SipCertificate } from './sip-certificates.ts'

/** A syslog collector: takes RFC 5425 frames over TLS, and keeps each message as a text. */
export class AuditCollector {
  readonly messages: string[] = []
  readonly #server: Server
  readonly #sockets = new Set<TLSSocket>()

  private constructor(server: Server) {
    this.#server = server
    server.on('secureConnection', (socket) => {
      this.#sockets.add(socket)
      let left = Buffer.alloc(0)
      socket.on('error', () => undefined)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('data', (bytes: Buffer) => {
        left = Buffer.concat([left, bytes])
        for (;;) {
          const [whole, digits = ''] = /^([1-9]\d{0,5}) /.exec(left.subarray(0, 8).toString('latin1')) ?? []
          if (whole === undefined || left.length < whole.length + Number(digits)) return
          this.messages.push(left.subarray(whole.length, whole.length + Number(digits)).toString('utf8'))
          left = left.subarray(whole.length + Number(digits))
        }
      })
    })
  }

  static start(certificate: SipCertificate, options: { readonly port?: number } = {}): Promise<AuditCollector> {
    const server = createServer({ cert: certificate.certificate, key: certificate.key })
    server.on('tlsClientError', () => undefined)
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.port ?? 0, '127.0.0.1', () => resolve(new AuditCollector(server)))
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The JSON of each message, once: a record may come again after a connection broke. */
  get lines(): readonly string[] {
    return [...new Set(this.messages.map((message) => message.slice(message.indexOf('\ufeff') + 1)))]
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}
