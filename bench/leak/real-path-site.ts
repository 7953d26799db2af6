import { setTimeout as delay } from 'node:timers/promises'
import type { DeskClient } from '../../src/demo/desk-client.ts'
import { boundSocket } from '../../src/demo/phone/media-port.ts'
import { headerOf, parseSip, type Peer } from '../../src/demo/phone/sip-text.ts'
import type { LoggedInfo } from '../../src/demo/phone/phone-protocol.ts'
import { UserAgent, type MediaSide } from '../../src/demo/phone/user-agent.ts'
import { nowUs } from '../../src/demo/monotonic.ts'
import { PAYER_ADDRESS, Site } from '../../test/fakes/site.ts'
import { BenchPhone } from './real-path-phone.ts'

/** Masking stays until nobody has pressed a key for half a minute: a window as long as a run. */
export const LONG_FORM = 'long'
/** A window that closes as soon as the shortest cool-down allows. */
export const SHORT_FORM = 'short'
const LONG_COOL_DOWN_MS = 30_000
const SHORT_COOL_DOWN_MS = 500
const CALL_SHOWN_MS = 8_000
const ANSWERED_MS = 10_000
/** Time for the packets that are still under way when a call is over. */
const UNDER_WAY_MS = 300

type Ended = { readonly agent: UserAgent; readonly phone: BenchPhone }

/** The whole product, a carrier with as many payers and a contact centre with as many agents as are asked for. */
export class BenchSite {
  readonly site: Site
  readonly #switchboard: Switchboard
  #calls = 0

  private constructor(site: Site, switchboard: Switchboard) {
    this.site = site
    this.#switchboard = switchboard
  }

  static async start(options: { readonly say: (line: string) => void }): Promise<BenchSite> {
    const site = await Site.start({
      say: options.say,
      change: (written) => ({
        ...written,
        forms: [
          { name: LONG_FORM, fields: ['card-number', 'expiry', 'card-code'], tries: 5, coolDownMs: LONG_COOL_DOWN_MS },
          { name: SHORT_FORM, fields: ['card-number', 'expiry', 'card-code'], coolDownMs: SHORT_COOL_DOWN_MS },
        ],
      }),
    })
    // A guard that is still being tested opens no window, and the keys of the calls do not wait for one.
    await site.untilTested()
    const [agent] = site.agents
    if (agent === undefined) throw new Error('the test configuration has no agent')
    return new BenchSite(site, await Switchboard.open(agent))
  }

  get desk(): DeskClient {
    return this.site.desk
  }

  /** A call between two phones, answered, and shown by the desk. Rejects when it does not come about. */
  async call(phones: { readonly payer: BenchPhone; readonly agent: BenchPhone }): Promise<BenchCall> {
    this.#calls += 1
    const number = `1900${String(this.#calls).padStart(7, '0')}`
    const incoming = this.#switchboard.expect(number, phones.agent)
    const payer = await payerAgent(phones.payer)
    const [sip] = this.site.configuration.sip.udp
    const outcome = await payer.agent.call({ to: `sip:${number}@${sip?.host}:${sip?.port}`, ringMs: ANSWERED_MS })
    if (outcome.kind !== 'answered') throw new Error('a call of the bench was not answered')
    const callId = await this.desk.findCall(outcome.callId, { deadlineMs: CALL_SHOWN_MS })
    return new BenchCall({
      callId,
      payer: { ...payer, phone: phones.payer },
      agent: { agent: incoming.agent(), phone: phones.agent, infos: incoming.infos },
      end: () => this.#switchboard.forget(number),
    })
  }

  /** Ends all processes. Safe to call twice. */
  async close(): Promise<void> {
    this.#switchboard.close()
    await this.site.close()
  }
}

/** One call of the bench; both sides can ask for changes. */
export class BenchCall {
  readonly callId: string
  readonly payer: Ended & { readonly infosSent: LoggedInfo[] }
  readonly agent: Ended & { readonly infos: readonly LoggedInfo[] }
  readonly #end: () => void

  constructor(options: {
    readonly callId: string
    readonly payer: Ended & { readonly infosSent: LoggedInfo[]; readonly close: () => void }
    readonly agent: Ended & { readonly infos: readonly LoggedInfo[] }
    readonly end: () => void
  }) {
    this.callId = options.callId
    this.payer = options.payer
    this.agent = options.agent
    this.#end = () => {
      options.end()
      options.payer.close()
      options.payer.phone.close()
      options.agent.phone.close()
    }
  }

  /** A key as SIP INFO (application/dtmf-relay). */
  info(key: string, onMs: number): void {
    const content = { contentType: 'application/dtmf-relay', body: `Signal=${key}\r\nDuration=${onMs}\r\n` }
    this.payer.infosSent.push({ atUs: nowUs(), ...content })
    void this.payer.agent.request('INFO', content)
  }

  /** Hangs up, if nobody did, and lets go of all ports. Safe to call twice. */
  async close(): Promise<void> {
    await this.payer.agent.hangup()
    await delay(UNDER_WAY_MS)
    this.payer.agent.close()
    this.agent.agent.close()
    this.#end()
  }
}

async function payerAgent(
  media: MediaSide,
): Promise<{ readonly agent: UserAgent; readonly infosSent: LoggedInfo[]; readonly close: () => void }> {
  const socket = await boundSocket(PAYER_ADDRESS, 0)
  if (socket === undefined) throw new Error('the bench cannot open a SIP port')
  const agent = new UserAgent({
    local: { host: PAYER_ADDRESS, port: socket.address().port },
    user: '15550100',
    displayName: '',
    userAgent: 'bench',
    policy: { kind: 'refuse', afterMs: 0, status: 486, reason: 'Busy Here' },
    media,
    send: (datagram, to) => socket.send(datagram, to.port, to.host),
    onEvent: () => undefined,
    onInfo: () => undefined,
  })
  socket.on('message', (datagram, source) => {
    const message = parseSip(datagram)
    if (message !== undefined) agent.receive(message, { host: source.address, port: source.port })
  })
  let closed = false
  return {
    agent,
    infosSent: [],
    close: () => {
      if (!closed) socket.close()
      closed = true
    },
  }
}

type Expected = { readonly phone: BenchPhone; readonly infos: LoggedInfo[]; callId: string; agent: UserAgent | null }

/** The contact centre: one SIP address with an agent for each number. */
class Switchboard {
  readonly #local: Peer
  readonly #send: (datagram: Buffer, to: Peer) => void
  readonly close: () => void
  readonly #expected = new Map<string, Expected>()
  readonly #byCall = new Map<string, UserAgent>()

  private constructor(local: Peer, send: (datagram: Buffer, to: Peer) => void, close: () => void) {
    this.#local = local
    this.#send = send
    this.close = close
  }

  static async open(local: Peer): Promise<Switchboard> {
    const socket = await boundSocket(local.host, local.port)
    if (socket === undefined) throw new Error('the bench cannot open its contact centre')
    let closed = false
    const switchboard = new Switchboard(
      local,
      (datagram, to) => socket.send(datagram, to.port, to.host),
      () => {
        if (!closed) socket.close()
        closed = true
      },
    )
    socket.on('message', (datagram, source) => {
      const message = parseSip(datagram)
      if (message === undefined) return
      const callId = headerOf(message, 'call-id') ?? ''
      const user = message.kind === 'request' ? (/^sip:(\d+)@/.exec(message.uri)?.[1] ?? '') : ''
      const agent = switchboard.#byCall.get(callId) ?? switchboard.#newAgent(user, callId)
      agent?.receive(message, { host: source.address, port: source.port })
    })
    return switchboard
  }

  /** The next call to this number is taken by this phone. */
  expect(
    number: string,
    phone: BenchPhone,
  ): { readonly infos: readonly LoggedInfo[]; readonly agent: () => UserAgent } {
    const expected: Expected = { phone, infos: [], callId: '', agent: null }
    this.#expected.set(number, expected)
    return {
      infos: expected.infos,
      agent: () => {
        if (expected.agent === null) throw new Error('nobody called the agent')
        return expected.agent
      },
    }
  }

  forget(number: string): void {
    this.#byCall.delete(this.#expected.get(number)?.callId ?? '')
    this.#expected.delete(number)
  }

  #newAgent(number: string, callId: string): UserAgent | undefined {
    const expected = this.#expected.get(number)
    if (expected === undefined || expected.agent !== null) return undefined
    const agent = new UserAgent({
      local: this.#local,
      user: 'agent',
      displayName: '',
      userAgent: 'bench',
      policy: { kind: 'answer', afterMs: 0, earlyMedia: false },
      media: expected.phone,
      send: this.#send,
      onEvent: () => undefined,
      onInfo: (contentType, body) => expected.infos.push({ atUs: nowUs(), contentType, body }),
    })
    expected.agent = agent
    expected.callId = callId
    this.#byCall.set(callId, agent)
    return agent
  }
}
