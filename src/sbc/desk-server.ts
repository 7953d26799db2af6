import { listenChannel, type ChannelRefusal, type Channel, type ChannelListener, type Reply } from '../kit/channel.ts'
import type { Identity } from '../kit/identity.ts'
import { errorFields, type Logger } from '../kit/log.ts'
import { parseDeskToSbc, type DeskToSbc, type OrderRefusal, type SbcToDesk } from '../wire/call-protocol.ts'
import type { Call } from './call.ts'
import type { CallDirectory } from './call-directory.ts'

/** A call takes about 700 bytes of a frame, which holds a megabyte; calls beyond these follow one by one. */
const CALLS_IN_SNAPSHOT_MAX = 500

/** Shows desks the calls, and takes their orders. */
export class DeskServer {
  readonly #watchers = new Set<Channel<SbcToDesk, DeskToSbc>>()
  readonly #directory: CallDirectory
  #listener: ChannelListener | null = null

  constructor(directory: CallDirectory) {
    this.#directory = directory
  }

  /** Rejects with the system's error when the port is taken. */
  async listen(options: {
    readonly host: string
    readonly port: number
    readonly identity: Identity
    readonly logger: Logger
    readonly refused?: (code: ChannelRefusal) => void
  }): Promise<void> {
    this.#listener = await listenChannel<SbcToDesk, DeskToSbc>({
      ...options,
      allow: ['desk', 'operator'],
      accept: () => {
        let channel: Channel<SbcToDesk, DeskToSbc> | null = null
        return {
          parse: parseDeskToSbc,
          opened: (opened) => {
            channel = opened
          },
          message: (message, _body, reply) => {
            if (message.type === 'calls.watch') {
              if (channel !== null) this.#watchers.add(channel)
              const calls = this.#directory.views()
              // Not a reply, which a desk would read after the changes that came in the same piece.
              channel?.send({ type: 'calls', calls: calls.slice(0, CALLS_IN_SNAPSHOT_MAX) })
              for (const call of calls.slice(CALLS_IN_SNAPSHOT_MAX)) channel?.send({ type: 'call', call })
            } else
              this.#order(message, reply).catch((error: unknown) => {
                options.logger.error({ code: 'order_failed', ...errorFields(error) }, 'an order could not be handled')
                reply({ type: 'refused', code: 'media_unavailable' })
              })
          },
          closed: () => {
            if (channel !== null) this.#watchers.delete(channel)
          },
        }
      },
    })
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  tell(call: Call): void {
    const message: SbcToDesk = { type: 'call', call: call.view() }
    for (const watcher of this.#watchers) watcher.send(message)
  }

  async close(): Promise<void> {
    await this.#listener?.close()
  }

  async #order(message: Exclude<DeskToSbc, { type: 'calls.watch' }>, reply: Reply<SbcToDesk>): Promise<void> {
    const call = this.#directory.find(message.callId)
    if (call === null) {
      reply({ type: 'refused', code: 'unknown_call' })
      return
    }
    const refusal = await carryOut(call, message)
    if (refusal === null) reply({ type: 'done', callId: message.callId, windowId: call.payment?.windowId ?? null })
    else reply({ type: 'refused', code: refusal })
  }
}

async function carryOut(
  call: Call,
  message: Exclude<DeskToSbc, { type: 'calls.watch' }>,
): Promise<OrderRefusal | null> {
  switch (message.type) {
    case 'window.open': {
      const result = await call.openWindow({ form: message.form, masking: message.masking })
      return result.kind === 'open' ? null : result.code
    }
    case 'window.clear':
      return call.clearField(message.field)
    case 'window.cancel':
      return call.cancelWindow()
  }
}
