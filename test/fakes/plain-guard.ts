import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { MediaSession } from '../../src/sbc/media-session.ts'
import type { Address } from '../../src/wire/guard-protocol.ts'

/** Two sockets in a guard's place that pass every packet on with a mark of their own, to where rtpengine says. */
export class PlainGuard {
  readonly #sockets: { readonly payer: Socket; readonly agent: Socket }
  readonly #mark: number
  #targets: { readonly payer: Address; readonly agent: Address } | null = null
  readonly types = new Set<number>()
  readonly heard = { payer: 0, agent: 0 }
  /** The first octet of audio of each packet that came from the payer's side. */
  readonly payerMarks = new Set<number>()
  speaks = true

  private constructor(sockets: { readonly payer: Socket; readonly agent: Socket }, mark: number) {
    this.#sockets = sockets
    this.#mark = mark
    for (const side of ['payer', 'agent'] as const) {
      const other = side === 'payer' ? 'agent' : 'payer'
      sockets[side].on('message', (datagram) => {
        this.types.add((datagram[1] ?? 0) & 0x7f)
        this.heard[side] += 1
        if (side === 'payer') this.payerMarks.add(datagram[12] ?? 0)
        const target = this.#targets?.[other]
        if (target === undefined || !this.speaks) return
        datagram.fill(this.#mark, 12)
        sockets[other].send(datagram, target.port, target.host)
      })
    }
  }

  static async open(mark: number): Promise<PlainGuard> {
    const sockets = { payer: createSocket('udp4'), agent: createSocket('udp4') }
    for (const socket of Object.values(sockets)) {
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
    }
    return new PlainGuard(sockets, mark)
  }

  get sides(): { readonly payer: Address; readonly agent: Address } {
    return {
      payer: { host: '127.0.0.1', port: this.#sockets.payer.address().port },
      agent: { host: '127.0.0.1', port: this.#sockets.agent.address().port },
    }
  }

  async enter(media: MediaSession): Promise<void> {
    const opened = await media.openGuard(this.sides)
    if (opened.kind === 'failed') throw new Error('the guard was not taken in')
    this.#targets = opened.value
  }

  close(): void {
    for (const socket of Object.values(this.#sockets)) socket.close()
  }
}
