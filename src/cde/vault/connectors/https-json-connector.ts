import { Agent, request, type RequestOptions } from 'node:https'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { APPROVAL_CODE, DECLINE_CODE } from '../../vault-protocol.ts'
import { composeOrder } from './order-json.ts'
import type { PaymentConnector, PaymentOrder, PaymentOutcome, UnavailableCode } from './payment-connector.ts'

/** Card schemes answer within seconds; a longer wait keeps the caller on the line for nothing. */
const DEADLINE_MS = 10_000
/** A reply is a few dozen bytes. */
const REPLY_BYTES_MAX = 16_384
/** One vault, one acquirer: more at once means that the acquirer does not keep up. */
const ORDERS_MAX = 64
const STATUS_OK = 200

export type HttpsJsonConnectorOptions = {
  /** Where orders are posted; https only. */
  readonly url: string
  /** PEM of the authority that signed the acquirer's certificate; the system's authorities when left out. */
  readonly authority?: Buffer
  /** Sent as a bearer token. */
  readonly credential?: string
  readonly deadlineMs?: number
}

/**
 * Posts orders as JSON (see order-json.ts) and expects status 200 with {"outcome":"approved","approvalCode":"..."} or
 * {"outcome":"declined","declineCode":".."}. The certificate is always verified and redirects are not followed. The
 * reference travels as Idempotency-Key. Throws TypeError for a url that is not https.
 */
export class HttpsJsonConnector implements PaymentConnector {
  readonly #url: URL
  readonly #options: HttpsJsonConnectorOptions
  readonly #agent: Agent
  #underWay = 0
  #closed = false

  constructor(options: HttpsJsonConnectorOptions) {
    this.#url = new URL(options.url)
    if (this.#url.protocol !== 'https:') throw new TypeError('an acquirer is reached over https only')
    this.#options = options
    this.#agent = new Agent({ keepAlive: true, maxSockets: ORDERS_MAX })
  }

  async authorize(order: PaymentOrder): Promise<PaymentOutcome> {
    if (this.#closed) return unavailable('connection_failed')
    if (this.#underWay >= ORDERS_MAX) return unavailable('busy')
    this.#underWay += 1
    const body = composeOrder(order)
    try {
      return await this.#post(body, order.reference)
    } finally {
      body.fill(0)
      this.#underWay -= 1
    }
  }

  close(): void {
    this.#closed = true
    this.#agent.destroy()
  }

  #post(body: Buffer, reference: string): Promise<PaymentOutcome> {
    return new Promise((resolve) => {
      let settled = false
      const outgoing = request(this.#url, this.#requestOptions(body, reference))
      const settle = (outcome: PaymentOutcome) => {
        settled = true
        clearTimeout(timer)
        if (outcome.type === 'unavailable') outgoing.destroy()
        resolve(outcome)
      }
      const timer = setTimeout(() => settle(unavailable('deadline')), this.#options.deadlineMs ?? DEADLINE_MS)
      outgoing.on('error', () => settle(unavailable('connection_failed')))
      outgoing.on('response', (incoming) => readReply(incoming, settle))
      whenWritable(outgoing, () => {
        if (!settled) outgoing.end(body)
      })
    })
  }

  #requestOptions(body: Buffer, reference: string): RequestOptions {
    const { authority, credential } = this.#options
    return {
      method: 'POST',
      agent: this.#agent,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(authority === undefined ? {} : { ca: authority }),
      headers: {
        'content-type': 'application/json',
        'content-length': body.length,
        'idempotency-key': reference,
        ...(credential === undefined ? {} : { authorization: 'Bearer ' + credential }),
      },
    }
  }
}

/**
 * Calls back once the handshake is over and the headers are on their way. Node's TLS keeps a copy, which nobody wipes, of what is written
 * before that, and of several buffers that are written together; a lone buffer goes straight to the cipher.
 */
function whenWritable(outgoing: ClientRequest, write: () => void): void {
  outgoing.flushHeaders()
  outgoing.once('socket', (socket) => {
    if (outgoing.reusedSocket) setImmediate(write)
    else socket.once('secureConnect', () => setImmediate(write))
  })
}

function readReply(incoming: IncomingMessage, settle: (outcome: PaymentOutcome) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  incoming.on('error', () => settle(unavailable('connection_failed')))
  incoming.on('aborted', () => settle(unavailable('connection_failed')))
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > REPLY_BYTES_MAX) settle(unavailable('reply_too_large'))
    else chunks.push(chunk)
  })
  incoming.on('end', () => {
    settle(incoming.statusCode === STATUS_OK ? parseReply(Buffer.concat(chunks)) : unavailable('bad_status'))
  })
}

/** Only codes of the right form are taken over: a reply that quotes the card back goes no further. */
export function parseReply(bytes: Buffer): PaymentOutcome {
  try {
    const reply: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof reply !== 'object' || reply === null) return unavailable('bad_reply')
    const { outcome, approvalCode, declineCode }: { outcome?: unknown; approvalCode?: unknown; declineCode?: unknown } =
      reply
    if (outcome === 'approved' && typeof approvalCode === 'string' && APPROVAL_CODE.test(approvalCode)) {
      return { type: 'approved', approvalCode }
    }
    if (outcome === 'declined' && typeof declineCode === 'string' && DECLINE_CODE.test(declineCode)) {
      return { type: 'declined', declineCode }
    }
    return unavailable('bad_reply')
  } catch {
    return unavailable('bad_reply')
  }
}

function unavailable(code: UnavailableCode): PaymentOutcome {
  return { type: 'unavailable', code }
}
