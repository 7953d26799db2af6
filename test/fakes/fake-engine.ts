import type { NgCommand, NgRequest, NgResult } from '../../src/sbc/rtpengine-control.ts'

type Leg = { port: number; hears: string | null }

/**
 * One call of an rtpengine without packets, in the process of the test: ports, who is connected with whom, and a query
 * that says so. What a real one does with packets is tested with a real one.
 */
export class FakeEngine {
  readonly requests: { readonly command: NgCommand; readonly fields: NgRequest }[] = []
  /** Requests wait for it. */
  gate: Promise<unknown> = Promise.resolve()
  isGone = false
  readonly #legs = new Map<string, Leg>()
  #nextPort = 30_000

  async request(command: NgCommand, fields: NgRequest): Promise<NgResult> {
    this.requests.push({ command, fields })
    await this.gate
    if (this.isGone) return { kind: 'refused', unknownCall: true }
    const [from, to] = [textOf(fields['from-tag']), textOf(fields['to-tag'])]
    switch (command) {
      case 'offer':
        return this.#told(fields, this.#leg(to === '' ? `${from}?` : to))
      case 'answer':
        return this.#answer(fields, { from, to })
      case 'delete':
        if (from === '') this.isGone = true
        this.#legs.delete(from)
        return { kind: 'ok', reply: {} }
      case 'query':
        return {
          kind: 'ok',
          reply: { tags: Object.fromEntries([...this.#legs.keys()].map((tag) => [tag, this.#said(tag)])) },
        }
      case 'ping':
      case 'list':
      case 'statistics':
        return { kind: 'ok', reply: {} }
    }
  }

  /** Who a leg hears. */
  heardBy(tag: string): string | null {
    return this.#legs.get(tag)?.hears ?? null
  }

  #answer(fields: NgRequest, { from, to }: { readonly from: string; readonly to: string }): NgResult {
    const awaited = this.#legs.get(`${from}?`)
    if (awaited !== undefined && !this.#legs.has(to)) this.#legs.set(to, awaited)
    this.#legs.delete(`${from}?`)
    this.#leg(from).hears = to
    this.#leg(to).hears = from
    return this.#told(fields, this.#leg(from))
  }

  #said(tag: string): NgRequest {
    const { port, hears } = this.#leg(tag)
    const hearers = [...this.#legs].filter(([, leg]) => leg.hears === tag).map(([name]) => name)
    return {
      subscriptions: hears === null ? [] : [{ tag: hears }],
      subscribers: hearers.map((name) => ({ tag: name })),
      medias: [{ streams: [{ 'local port': port, stats: { packets: 9 } }] }],
    }
  }

  #leg(tag: string): Leg {
    const leg = this.#legs.get(tag) ?? { port: (this.#nextPort += 2), hears: null }
    this.#legs.set(tag, leg)
    return leg
  }

  #told(fields: NgRequest, leg: Leg): NgResult {
    return { kind: 'ok', reply: { sdp: textOf(fields['sdp']).replace(/m=audio \d+/, `m=audio ${leg.port}`) } }
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
