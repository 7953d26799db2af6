import { generateKeyPairSync } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import forge from 'node-forge'

export type AcquirerOrder = { readonly reference: string; readonly body: string }

/** How the fake answers the next orders; the default approves. */
export type AcquirerAnswer = (order: AcquirerOrder, response: ServerResponse) => void

/** An acquirer on loopback, over https, with a certificate of its own. It books each reference once. */
export class Acquirer {
  readonly url: string
  /** PEM of its certificate, which signs itself. */
  readonly authority: Buffer
  readonly orders: AcquirerOrder[] = []
  answer: AcquirerAnswer = (_order, response) => json(response, { outcome: 'approved', approvalCode: 'A1B2C3' })
  readonly #server: Server

  private constructor(server: Server, authority: Buffer) {
    this.#server = server
    this.authority = authority
    this.url = `https://localhost:${(server.address() as AddressInfo).port}/orders`
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const order = { reference: String(request.headers['idempotency-key']), body: Buffer.concat(chunks).toString() }
        this.orders.push(order)
        this.answer(order, response)
      })
    })
  }

  static start(): Promise<Acquirer> {
    const { key, certificate } = selfSigned()
    const server = createServer({ key, cert: certificate })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, 'localhost', () => resolve(new Acquirer(server, Buffer.from(certificate))))
    })
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

export function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

export function declines(_order: AcquirerOrder, response: ServerResponse): void {
  json(response, { outcome: 'declined', declineCode: '05' })
}

function selfSigned(): { readonly key: string; readonly certificate: string } {
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = forge.pki.publicKeyFromPem(pair.publicKey)
  certificate.serialNumber = '01'
  certificate.validity.notBefore = new Date(Date.now() - 3_600_000)
  certificate.validity.notAfter = new Date(Date.now() + 86_400_000)
  const name = [{ name: 'commonName', value: 'localhost' }]
  certificate.setSubject(name)
  certificate.setIssuer(name)
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true },
    { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
  ])
  certificate.sign(forge.pki.privateKeyFromPem(pair.privateKey), forge.md.sha256.create())
  return { key: pair.privateKey, certificate: forge.pki.certificateToPem(certificate) }
}
