import { Agent, request } from 'node:https'
import { KekFailure } from './key-encryption-key.ts'

/** A KMS answers in tens of milliseconds; one that does not within this is asked again. */
const ATTEMPT_MS_MAX = 3_000
const ATTEMPTS_MAX = 3
/** Before the second attempt; twice that before the third. */
const AGAIN_MS = 200
/** A wrapped key is a few hundred bytes. */
const REPLY_BYTES_MAX = 65_536
const TOO_MANY = 429
const SERVER_ERROR = 500

export type KmsReply = { readonly status: number; readonly body: Buffer }

/** What is sent in one attempt: it may have to be signed anew for each. */
export type KmsAttempt = {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * Posts to a KMS over TLS, whose certificate is always verified, and follows no redirect. What may be repeated safely is: wrapping and
 * unwrapping change nothing there.
 */
export class KmsClient {
  readonly #url: URL
  readonly #agent: Agent
  readonly #attemptMs: number

  /** Throws TypeError for an address that is not https. */
  constructor(options: { readonly url: string; readonly authority: Buffer | null; readonly attemptMs?: number }) {
    this.#url = new URL(options.url)
    if (this.#url.protocol !== 'https:') throw new TypeError('a KMS is reached over https only')
    this.#attemptMs = options.attemptMs ?? ATTEMPT_MS_MAX
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 4,
      minVersion: 'TLSv1.2',
      ...(options.authority === null ? {} : { ca: options.authority }),
    })
  }

  /** Rejects with KekFailure when there is no answer, or none but "later". The caller wipes the reply. */
  async post(path: string, attempt: () => Promise<KmsAttempt>): Promise<KmsReply> {
    let detail = ''
    for (let count = 0; count < ATTEMPTS_MAX; count += 1) {
      if (count > 0) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS * 2 ** (count - 1)))
      const reply = await this.#once(path, await attempt())
      if (typeof reply !== 'string' && reply.status !== TOO_MANY && reply.status < SERVER_ERROR) return reply
      detail = typeof reply === 'string' ? reply : 'status ' + String(reply.status)
    }
    throw new KekFailure('kek_unreachable', detail)
  }

  close(): void {
    this.#agent.destroy()
  }

  /** A literal, or the system's code, where there is no reply. */
  #once(path: string, { headers, body }: KmsAttempt): Promise<KmsReply | string> {
    return new Promise((resolve) => {
      const outgoing = request(new URL(path, this.#url), {
        method: 'POST',
        agent: this.#agent,
        rejectUnauthorized: true,
        headers: { ...headers, 'content-length': body.length },
      })
      const settle = (reply: KmsReply | string): void => {
        clearTimeout(timer)
        if (typeof reply === 'string') outgoing.destroy()
        resolve(reply)
      }
      const timer = setTimeout(() => settle('no answer in time'), this.#attemptMs)
      outgoing.on('error', (error) => settle('code' in error ? String(error.code) : 'connection failed'))
      outgoing.on('response', (incoming) => {
        const chunks: Buffer[] = []
        let bytes = 0
        incoming.on('error', () => settle('connection failed'))
        incoming.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > REPLY_BYTES_MAX) settle('the answer is too large')
          else chunks.push(chunk)
        })
        incoming.on('end', () => {
          const whole = Buffer.concat(chunks)
          for (const chunk of chunks) chunk.fill(0)
          settle({ status: incoming.statusCode ?? 0, body: whole })
        })
      })
      outgoing.end(body)
    })
  }
}
