import { hostPortText } from '../kit/host-text.ts'
import { isIP } from 'node:net'
import type { Address, Flow } from './flow.ts'
import type { HepSender } from './hep-sender.ts'
import { interfaceAddresses, localAddressFor, type InterfaceAddress } from './local-address.ts'
import type { MessageTrace } from './message-trace.ts'
import { seeMessage } from './seen-message.ts'

/** Sees every SIP message that comes and goes, reduces it, and hands what may be shown to the trace and to Homer. */
export class MessageWatch {
  readonly #trace: MessageTrace
  readonly #homer: Pick<HepSender, 'send'> | null
  readonly #dateMs: () => number
  readonly #failed: () => void
  readonly #interfaces: readonly InterfaceAddress[] = interfaceAddresses()

  constructor(options: {
    readonly trace: MessageTrace
    readonly homer: Pick<HepSender, 'send'> | null
    readonly dateMs: () => number
    /** A bug of ours; the message itself goes its way. */
    readonly failed: () => void
  }) {
    this.#trace = options.trace
    this.#homer = options.homer
    this.#dateMs = options.dateMs
    this.#failed = options.failed
  }

  /** Bytes of one message. Never throws: nobody's call may end because it is watched. */
  take(direction: 'received' | 'sent', bytes: Buffer, flow: Flow): void {
    try {
      const seen = seeMessage(bytes)
      if (seen === null) return
      const atMs = this.#dateMs()
      const { transport, remote } = flow
      this.#trace.add(seen, {
        atMs,
        direction,
        transport,
        local: hostPortText(flow.local),
        remote: hostPortText(remote),
      })
      if (this.#homer === null) return
      const local = this.#numeric(flow.local, remote)
      const [source, destination] = direction === 'sent' ? [local, remote] : [remote, local]
      this.#homer.send({ transport, source, destination, atMs, correlationId: seen.callId, text: seen.text })
    } catch {
      this.#failed()
    }
  }

  /** A listener may show a name. */
  #numeric(local: Address, remote: Address): Address {
    if (isIP(local.host) !== 0) return local
    return { host: localAddressFor(remote.host, this.#interfaces), port: local.port }
  }
}
