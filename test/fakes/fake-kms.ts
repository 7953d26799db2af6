import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { signatureProblem } from './aws-signature.ts'
import { SipAuthority } from './sip-certificates.ts'

export const AWS_SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
export const TRANSIT_TOKEN = 'hvs.token-of-the-tests'

/** ok; later: 503 once, then ok; down: 500; silent: no answer; huge: without end; garbage: no JSON. */
export type KmsMood = 'ok' | 'later' | 'down' | 'silent' | 'huge' | 'garbage'

type Answer = { readonly status: number; readonly json: unknown }
type Fields = Readonly<Record<string, unknown>>

/**
 * AWS KMS and a Transit engine behind one port, with a real cipher behind each: paths, tokens, signatures, contexts and ciphertexts are
 * checked as the real ones check them.
 */
export class FakeKms {
  readonly port: number
  /** PEM, in a file. */
  readonly authority: string
  mood: KmsMood = 'ok'
  /** Keys of the Transit engine, newest last: rotate by adding one. */
  readonly versions = [randomBytes(32)]
  /** What was asked, such as `TrentService.Encrypt` and `/v1/transit/encrypt/vault`. */
  readonly asked: string[] = []
  readonly #server: Server
  readonly #awsKey = randomBytes(32)

  private constructor(server: Server, authority: string) {
    this.#server = server
    this.authority = authority
    this.port = (server.address() as AddressInfo).port
    server.on('request', (request, response) => void this.#answer(request, response))
  }

  static async start(folder: string): Promise<FakeKms> {
    const authority = new SipAuthority()
    const { certificate, key } = authority.leaf({ ip: ['127.0.0.1'] })
    const file = join(folder, 'kms-authority.txt')
    writeFileSync(file, authority.certificate)
    const server = createServer({ cert: certificate, key })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new FakeKms(server, file)
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const target = request.headers['x-amz-target']
    this.asked.push(typeof target === 'string' ? target : (request.url ?? ''))
    if (this.mood === 'silent') return
    if (this.mood === 'huge') return void response.writeHead(200).end(Buffer.alloc(200_000, 'x'))
    if (this.mood === 'garbage') return void response.writeHead(200).end('<html>')
    if (this.mood === 'down' || this.mood === 'later') {
      if (this.mood === 'later') this.mood = 'ok'
      return void response.writeHead(503).end('{}')
    }
    const { status, json } = typeof target === 'string' ? this.#aws(request, body) : this.#transit(request, body)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
  }

  #aws(request: IncomingMessage, body: Buffer): Answer {
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    const problem = signatureProblem(
      { method: request.method ?? '', path: request.url ?? '', query: '', headers, body },
      {
        secret: AWS_SECRET,
        region: 'eu-central-1',
        service: 'kms',
        signed: ['host', 'x-amz-date', 'x-amz-target', 'content-type'],
      },
    )
    if (problem !== null) return refused('InvalidSignatureException')
    const { KeyId, Plaintext, CiphertextBlob, EncryptionContext } = JSON.parse(body.toString()) as Fields
    if (KeyId === 'alias/forbidden') return refused('AccessDeniedException')
    if (KeyId !== 'alias/vault') return refused('com.amazonaws.kms#NotFoundException')
    const context = Buffer.from(JSON.stringify(EncryptionContext))
    if (headers['x-amz-target'] === 'TrentService.Encrypt') {
      const sealed = seal(Buffer.from(String(Plaintext), 'base64'), this.#awsKey, context)
      return { status: 200, json: { CiphertextBlob: sealed.toString('base64'), KeyId } }
    }
    const opened = open(Buffer.from(String(CiphertextBlob), 'base64'), this.#awsKey, context)
    if (opened === null) return refused('InvalidCiphertextException')
    return {
      status: 200,
      json: { KeyId, Plaintext: opened.toString('base64'), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' },
    }
  }

  #transit(request: IncomingMessage, body: Buffer): Answer {
    if (request.headers['x-vault-token'] !== TRANSIT_TOKEN)
      return { status: 403, json: { errors: ['permission denied'] } }
    const [, operation = '', key] = /^\/v1\/transit\/(encrypt|decrypt|rewrap)\/(.+)$/.exec(request.url ?? '') ?? []
    if (operation === '') return { status: 404, json: { errors: [] } }
    if (key !== 'vault') return { status: 400, json: { errors: ['encryption key not found'] } }
    const { plaintext, ciphertext } = JSON.parse(body.toString()) as Fields
    const none = Buffer.alloc(0)
    if (operation === 'encrypt') return this.#encrypted(Buffer.from(String(plaintext), 'base64'))
    const [, version = '', sealed = ''] = /^vault:v(\d+):(.+)$/.exec(String(ciphertext)) ?? []
    const old = this.versions[Number(version) - 1]
    const opened = old === undefined ? null : open(Buffer.from(sealed, 'base64'), old, none)
    if (opened === null) return { status: 400, json: { errors: ['cipher: message authentication failed'] } }
    if (operation === 'rewrap') return this.#encrypted(opened)
    return { status: 200, json: { data: { plaintext: opened.toString('base64') } } }
  }

  #encrypted(plain: Buffer): Answer {
    const sealed = seal(plain, this.versions.at(-1) ?? Buffer.alloc(32), Buffer.alloc(0)).toString('base64')
    return { status: 200, json: { data: { ciphertext: `vault:v${this.versions.length}:${sealed}`, key_version: 1 } } }
  }
}

function refused(type: string): Answer {
  return { status: 400, json: { __type: type, message: 'with words that nobody reads' } }
}

function seal(plain: Buffer, key: Buffer, context: Buffer): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(context)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function open(sealed: Buffer, key: Buffer, context: Buffer): Buffer | null {
  if (sealed.length < 28) return null
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAAD(context)
    decipher.setAuthTag(sealed.subarray(-16))
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
  } catch {
    return null
  }
}
