import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** A request that passed the proxy, or was lost in it; `text` is the whole bencoded datagram. */
export type NgSeen = { readonly cookie: string; readonly command: string; readonly text: string }

/** Says whether a datagram is lost. `nth` counts the datagrams with this cookie in this direction, from 1. */
export type Loses = (seen: NgSeen & { readonly direction: 'request' | 'reply'; readonly nth: number }) => boolean

/** A lossy wire between the sbc and rtpengine's control port: what `loses` says is dropped, all else passes. */
export class NgProxy {
  readonly port: number
  loses: Loses = () => false
  /** Called before a request is passed on, so that a test can act between two commands. */
  passing: (seen: NgSeen) => void = () => undefined
  readonly requests: NgSeen[] = []
  readonly #front: Socket
  readonly #back: Socket
  readonly #commands = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  #client: { readonly port: number; readonly address: string } | null = null

  private constructor(sockets: { readonly front: Socket; readonly back: Socket; readonly target: number }) {
    this.#front = sockets.front
    this.#back = sockets.back
    this.port = this.#front.address().port
    this.#front.on('message', (datagram, from) => {
      this.#client = from
      const text = datagram.toString('latin1')
      const cookie = text.split(' ', 1)[0] ?? ''
      const command = /7:command\d+:([a-z ]+?)(?=\d+:|e$|\d)/.exec(text)?.[1] ?? ''
      this.#commands.set(cookie, command)
      const seen = { cookie, command, text }
      this.requests.push(seen)
      if (this.#isLost('request', seen)) return
      this.passing(seen)
      this.#back.send(datagram, sockets.target, '127.0.0.1')
    })
    this.#back.on('message', (datagram) => {
      const text = datagram.toString('latin1')
      const cookie = text.split(' ', 1)[0] ?? ''
      const command = this.#commands.get(cookie) ?? ''
      if (this.#client === null || this.#isLost('reply', { cookie, command, text })) return
      this.#front.send(datagram, this.#client.port, this.#client.address)
    })
  }

  static async start(target: number): Promise<NgProxy> {
    const front = createSocket('udp4')
    const back = createSocket('udp4')
    for (const socket of [front, back]) {
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
    }
    return new NgProxy({ front, back, target })
  }

  /** Sends a datagram to the client as if it came from the daemon. */
  inject(text: string): void {
    if (this.#client !== null) this.#front.send(text, this.#client.port, this.#client.address)
  }

  /** Cookies of the requests of one command, each once. */
  cookiesOf(command: string): ReadonlySet<string> {
    return new Set(this.requests.filter((seen) => seen.command === command).map((seen) => seen.cookie))
  }

  close(): void {
    this.#front.close()
    this.#back.close()
  }

  #isLost(direction: 'request' | 'reply', seen: NgSeen): boolean {
    const key = direction + seen.cookie
    const nth = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, nth)
    return this.loses({ ...seen, direction, nth })
  }
}

/** Whether a request is the offer between the two parties that takes the guard out. */
export function isCloseOffer(seen: NgSeen): boolean {
  return seen.command === 'offer' && seen.text.includes('8:from-tag5:payer') && seen.text.includes('6:to-tag5:agent')
}
