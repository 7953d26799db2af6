import type { Clock } from './clock.ts'
import type { Address, Flow } from './flow.ts'
import { serialize, type SipRequest } from './message.ts'
import type { Transports } from './transports.ts'
import { formatVia } from './via.ts'

/** A request may be larger than this over UDP only if nothing else is there, the path's MTU being unknown (RFC 3261 section 18.1.1). */
export const UDP_REQUEST_BYTES_MAX = 1_300

/** A firewall that drops TCP costs a whole connect time: it is not tried again with every call. */
const REFUSAL_KEPT_MS = 600_000
const REFUSALS_MAX = 1_000

/** One way that a request can go. */
export type RequestWay = {
  readonly request: SipRequest
  readonly branch: string
  readonly flow: Flow
  readonly bytes: Buffer
}

/** Peers that were sent a large request over TCP and could not be reached so. */
export class TcpRefusals {
  readonly #clock: Clock
  readonly #peers = new Set<string>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(remote: Address): void {
    const key = `${remote.host} ${remote.port}`
    if (this.#peers.size >= REFUSALS_MAX || this.#peers.has(key)) return
    this.#peers.add(key)
    this.#clock.after(REFUSAL_KEPT_MS, () => this.#peers.delete(key))
  }

  has(remote: Address): boolean {
    return this.#peers.has(`${remote.host} ${remote.port}`)
  }
}

/**
 * The same request by TCP, its Via changed, when it is too large for UDP and TCP can be tried; else undefined. The
 * Contact stays: what is small goes by UDP as before.
 */
export function largeRequestWay(
  way: RequestWay,
  tools: { readonly transports: Transports; readonly refusals: TcpRefusals },
): RequestWay | undefined {
  const { flow, bytes, branch } = way
  if (flow.transport !== 'udp' || bytes.length <= UDP_REQUEST_BYTES_MAX || tools.refusals.has(flow.remote))
    return undefined
  const tcp = tools.transports.flowTo({ transport: 'tcp', remote: flow.remote, from: flow.local })
  if (tcp === undefined) return undefined
  const top = way.request.headers.findIndex(({ key }) => key === 'via')
  const headers = way.request.headers.map((field, index) =>
    index === top ? { ...field, value: formatVia({ transport: 'tcp', local: tcp.local, branch }) } : field,
  )
  const request = { ...way.request, headers }
  return { request, branch, flow: tcp, bytes: serialize(request) }
}
