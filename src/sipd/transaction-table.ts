import type { Envelope } from './envelope.ts'
import { valueOf, type SipRequest } from './message.ts'
import type { ClientTransaction } from './transaction-client.ts'
import type { ServerTransaction } from './transaction-server.ts'
import { BRANCH_COOKIE } from './via.ts'

/** Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3). */
export class TransactionTable {
  readonly #servers = new Map<string, ServerTransaction>()
  readonly #clients = new Map<string, ClientTransaction>()

  get serverCount(): number {
    return this.#servers.size
  }

  get clientCount(): number {
    return this.#clients.size
  }

  server(key: string): ServerTransaction | undefined {
    return this.#servers.get(key)
  }

  addServer(key: string, transaction: ServerTransaction): void {
    this.#servers.set(key, transaction)
  }

  removeServer(key: string): void {
    this.#servers.delete(key)
  }

  client(envelope: Envelope): ClientTransaction | undefined {
    return this.#clients.get(clientKey(envelope.via.branch, envelope.cseq.method))
  }

  addClient(branch: string, method: string, transaction: ClientTransaction): void {
    this.#clients.set(clientKey(branch, method), transaction)
  }

  removeClient(branch: string, method: string): void {
    this.#clients.delete(clientKey(branch, method))
  }

  /** Every transaction ends without a word: the last step of close(). */
  abandonAll(): void {
    for (const transaction of [...this.#servers.values(), ...this.#clients.values()]) transaction.abandon()
  }
}

/** The key of a request, or of the INVITE that an ACK or CANCEL means when `method` says INVITE. */
export function serverKey(request: SipRequest, envelope: Envelope, method: string): string {
  const { via } = envelope
  const sentBy = `${via.host.toLowerCase()}:${via.port ?? ''}`
  // The cookie alone says nothing about which transaction it is (RFC 4475 section 3.2.1).
  if (via.branch.startsWith(BRANCH_COOKIE) && via.branch.length > BRANCH_COOKIE.length)
    return `${via.branch} ${sentBy} ${method}`
  // RFC 2543 peers: an ACK's To tag differs from its INVITE's, so To is left out.
  return `2543 ${request.uri} ${envelope.callId} ${envelope.fromTag} ${envelope.cseq.number} ${method} ${sentBy} ${valueOf(request, 'from') ?? ''}`
}

function clientKey(branch: string, method: string): string {
  return `${branch} ${method}`
}
