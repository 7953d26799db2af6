import { ownAddress } from './media-facts.ts'
import type { NgCommand, NgRequest, NgResult, RtpengineControl } from './rtpengine-control.ts'
import { readAudio, withEndpoint } from './sdp.ts'
import type { Address } from '../wire/guard-protocol.ts'

/** A local rtpengine answers in milliseconds; a delete can wait this long for one that is busy. */
const DELETE_DEADLINE_MS = 2_000
const QUERY_DEADLINE_MS = 300

/** One call id at one rtpengine: every request that names it, until it is deleted. */
export class EngineCall {
  readonly #engine: Pick<RtpengineControl, 'request'>
  readonly #callId: string
  #isDeleted = false
  readonly #underWay = new Set<Promise<NgResult>>()

  constructor(options: { readonly engine: Pick<RtpengineControl, 'request'>; readonly callId: string }) {
    this.#engine = options.engine
    this.#callId = options.callId
  }

  get isDeleted(): boolean {
    return this.#isDeleted
  }

  async request(command: NgCommand, fields: NgRequest, deadlineMs: number): Promise<NgResult> {
    if (this.#isDeleted) return { kind: 'refused', unknownCall: true }
    const reply = this.#engine.request(command, { 'call-id': this.#callId, ...fields }, { deadlineMs })
    this.#underWay.add(reply)
    try {
      return await reply
    } finally {
      this.#underWay.delete(reply)
    }
  }

  query(): Promise<NgResult> {
    return this.request('query', {}, QUERY_DEADLINE_MS)
  }

  /**
   * Where rtpengine itself is on these legs. A description shows the address that it advertises, which leads to it from
   * outside of a NAT, and mostly not from beside it. What cannot be learnt stays as it is.
   */
  async locate<Name extends string>(legs: Readonly<Record<Name, Address>>): Promise<Readonly<Record<Name, Address>>> {
    const result = await this.query()
    if (result.kind !== 'ok') return legs
    const located: Record<Name, Address> = { ...legs }
    for (const tag of Object.keys(legs) as Name[]) {
      const own = ownAddress(result.reply, tag)
      if (own?.port === legs[tag].port) located[tag] = own
    }
    return located
  }

  /** rtpengine's description for a leg that is in the same rtpengine. */
  async locateIn(sdp: string, tag: string): Promise<string> {
    const audio = readAudio(sdp)
    if (audio === null) return sdp
    const shown = { host: audio.host, port: audio.port }
    const { [tag]: own = shown } = await this.locate({ [tag]: shown })
    return own.host === shown.host ? sdp : withEndpoint(sdp, own)
  }

  /**
   * Ends the call in rtpengine. An unknown call is as good as deleted. Nothing can be asked of it after that, and an
   * offer or answer that was under way, which could make the call anew, is followed by another delete. No tags: such a
   * call made anew has others than ours.
   */
  async delete(): Promise<NgResult> {
    const underWay = [...this.#underWay]
    this.#isDeleted = true
    const request = { 'call-id': this.#callId, 'delete delay': 0 }
    const deleted = await this.#engine.request('delete', request, { deadlineMs: DELETE_DEADLINE_MS })
    if (underWay.length === 0) return deleted
    await Promise.all(underWay)
    return this.#engine.request('delete', request, { deadlineMs: DELETE_DEADLINE_MS })
  }
}
