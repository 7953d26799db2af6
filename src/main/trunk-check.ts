import { hostPortText } from '../kit/host-text.ts'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createLogger } from '../kit/log.ts'
import { Metrics } from '../kit/metrics.ts'
import { CheckCall, type CheckCallEvents, type CheckCallStart } from '../sbc/check-call.ts'
import { SipServer, type SipRequest, type SipResponse } from '../sbc/sip-server.ts'
import { startSipd, type Sipd } from '../sipd/sipd.ts'
import { isWildcard } from '../sipd/local-address.ts'
import type { HostPort } from '../wire/configuration.ts'
import type { PressFigures } from '../wire/trunk-check-protocol.ts'
import { AnalyserLink } from './analyser-link.ts'
import type { Command } from './command-line.ts'
import { loadConfiguration } from './configuration.ts'
import { refusalText } from './trunk-check-refusal.ts'
import { makeReport, type CallEnd } from './trunk-check-report.ts'
import { checkTarget, ownAddressFor, type CheckTarget } from './trunk-check-target.ts'
import { pressLine, summaryLines } from './trunk-check-text.ts'
import { productVersion } from './version.ts'

type TrunkCheckCommand = Command & { readonly kind: 'trunk-check' }
type Say = (line: string) => void

const SECRET_BYTES = 32
/** RTP is heard within this of the answer, or a person is told where to look. */
const MEDIA_MS_MAX = 5_000
/** The last press waits this long for its INFO, or for a tone that goes on. */
const LINGER_MS = 1_500

/** `tonewall trunk-check`. Resolves to the exit code: 0 when keys were seen, 1 when not. `signal` ends it in order. */
export async function runTrunkCheck(command: TrunkCheckCommand, say: Say, signal: AbortSignal): Promise<number> {
  const { mode } = command
  const target = mode.kind === 'call' ? await checkTarget(mode.uri, () => trunksOf(command.configurationFile)) : null
  if (target?.kind === 'refused') {
    say(`trunk-check: ${target.text}`)
    return 1
  }
  const check = new TrunkCheck(command, target, say, signal)
  try {
    return await check.run()
  } finally {
    await check.close()
  }
}

function trunksOf(configurationFile: string) {
  const loaded = loadConfiguration(configurationFile, 'operator')
  return loaded.kind === 'loaded' ? loaded.configuration.trunks : null
}

/** One check: a SIP server of its own, the analyser, one call, and what is said of it. */
class TrunkCheck {
  readonly #command: TrunkCheckCommand
  readonly #target: CheckTarget | null
  readonly #say: Say
  readonly #signal: AbortSignal
  readonly #presses: PressFigures[] = []
  readonly #over: Promise<CallEnd>
  #end: (how: CallEnd) => void = () => undefined
  #analyser: AnalyserLink | null = null
  #sipd: Sipd | null = null
  #sip: SipServer | null = null
  #call: CheckCall | null = null
  #isHearing = false
  #isLost = false

  constructor(command: TrunkCheckCommand, target: CheckTarget | null, say: Say, signal: AbortSignal) {
    this.#command = command
    this.#target = target
    this.#say = say
    this.#signal = signal
    this.#over = new Promise((done) => {
      this.#end = done
    })
    if (signal.aborted) this.#end('person')
    else signal.addEventListener('abort', () => this.#end('person'), { once: true })
  }

  async run(): Promise<number> {
    this.#analyser = await AnalyserLink.start({
      press: (press) => this.#seen(press),
      hearing: () => {
        this.#isHearing = true
        this.#say('RTP is coming')
      },
      lost: () => {
        this.#isLost = true
        this.#end('time')
      },
    })
    if (this.#analyser === null)
      return this.#fail('the analyser process did not start: try again on a machine less busy')
    const host = this.#command.address ?? (this.#target === null ? '0.0.0.0' : ownAddressFor(this.#target.peer.host))
    const server = await this.#listen(host)
    if (server !== null) return this.#fail(server)
    const started = this.#target === null ? await this.#accept() : await this.#place(this.#target, host)
    if (started === null) return 1
    if (started.kind !== 'connected') return this.#fail(refusalText(started))
    this.#call = started.call
    return this.#watch(started.call)
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    await this.#call?.hangUp()
    this.#sip?.close()
    await this.#sipd?.close()
    this.#analyser?.close()
  }

  #fail(text: string): number {
    this.#say(`trunk-check: ${text}`)
    return 1
  }

  /** null when it listens, else what is wrong. */
  async #listen(host: string): Promise<string | null> {
    const logger = createLogger({ role: 'trunk-check', level: 'silent' })
    const listen: readonly HostPort[] = [{ host, port: this.#command.port }]
    const transport = this.#target?.transport
    const secret = randomBytes(SECRET_BYTES).toString('base64url')
    try {
      this.#sipd = await startSipd({
        udp: transport === 'tcp' ? [] : listen,
        tcp: transport === 'udp' ? [] : listen,
        control: { host: '127.0.0.1', port: 0, secret },
        logger,
        metrics: new Metrics('trunk-check'),
      })
    } catch (error) {
      const { code } = error as { readonly code?: unknown }
      const where = `${host}:${this.#command.port}`
      if (code === 'EADDRINUSE')
        return `SIP port ${where} is taken, perhaps by a running Tonewall: name another with --port, or 0 for a free one`
      if (code === 'EADDRNOTAVAIL') return `${host} is no address of this machine: name one with --address`
      return `SIP cannot listen on ${where}: ${typeof code === 'string' ? code : 'unknown error'}`
    }
    const { control } = this.#sipd.addresses
    this.#sip = new SipServer({
      host: control.host,
      port: control.port,
      secret,
      logger,
      handlers: {
        invite: (request, response) => this.#invited(request, response),
        options: (_request, response) => response.send(200),
        lost: () => undefined,
        connected: () => undefined,
      },
    })
    return (await this.#sip.waitConnected()) ? null : 'its own SIP server did not answer: try again'
  }

  async #place(target: CheckTarget, host: string): Promise<CheckCallStart | null> {
    const media = await this.#openMedia(host)
    if (typeof media === 'string') return this.#refuse(media)
    this.#say(`calling ${target.uri} from ${host}; RTP comes to port ${media.port}`)
    if (this.#sip === null) return null
    return CheckCall.place(this.#sip, {
      uri: target.uri,
      from: this.#command.from,
      peer: target.peer,
      transport: target.transport,
      media,
      events: this.#callEvents(),
      ringing: () => this.#say('ringing'),
      signal: this.#signal,
    })
  }

  #incoming: ((request: SipRequest, response: SipResponse) => void) | null = null

  async #accept(): Promise<CheckCallStart | null> {
    this.#sayWhereToCall()
    const invited = new Promise<readonly [SipRequest, SipResponse]>((taken) => {
      this.#incoming = (request, response) => taken([request, response])
    })
    const waited = new Promise<null>((done) => setTimeout(() => done(null), this.#command.seconds * 1_000).unref())
    const first = await Promise.race([invited, waited, this.#over.then(() => null)])
    this.#incoming = null
    if (first === null || this.#sip === null) {
      if (!this.#signal.aborted)
        this.#say(
          `nobody called in ${this.#command.seconds} s: does a route of the trunk lead here, and does a firewall let SIP in?`,
        )
      return null
    }
    const [request, response] = first
    this.#say(`a call from ${request.source_address}`)
    return CheckCall.accept(this.#sip, request, response, {
      media: async (caller) => {
        const own = this.#command.address
        const media = await this.#openMedia(own === null || isWildcard(own) ? ownAddressFor(caller) : own)
        if (typeof media !== 'string') return media
        this.#say(`trunk-check: ${media}`)
        return null
      },
      events: this.#callEvents(),
    })
  }

  /** One call at a time: others hear that we are busy. */
  #invited(request: SipRequest, response: SipResponse): void {
    const incoming = this.#incoming
    this.#incoming = null
    if (incoming === null) response.send(486)
    else incoming(request, response)
  }

  #sayWhereToCall(): void {
    const { udp = [], tcp = [] } = this.#sipd?.addresses ?? {}
    const shown = (address: HostPort): string => {
      const host = isWildcard(address.host) ? ownAddressFor('192.0.2.1') : address.host
      return hostPortText({ host, port: address.port })
    }
    const uris = [
      ...udp.map((at) => `sip:check@${shown(at)}`),
      ...tcp.map((at) => `sip:check@${shown(at)};transport=tcp`),
    ]
    this.#say(`waiting ${this.#command.seconds} s for a call to ${uris.join(' or ')}`)
  }

  async #openMedia(host: string): Promise<HostPort | string> {
    const opened = await this.#analyser?.open({ host, port: this.#command.rtpPort })
    if (opened === 'port_taken')
      return `RTP port ${this.#command.rtpPort} or the next is taken: name another even one with --rtp-port, or 0`
    if (opened === 'address_unavailable') return `${host} is no address of this machine: name one with --address`
    if (opened === undefined || typeof opened === 'string') return 'the analyser process is lost: run the check again'
    return opened
  }

  #refuse(text: string): null {
    this.#say(`trunk-check: ${text}`)
    return null
  }

  #callEvents(): CheckCallEvents {
    return {
      agreed: ({ remote, law, events }) => this.#analyser?.send({ type: 'agree', remote, law, events }),
      info: ({ relay, body }) => this.#analyser?.send({ type: 'info', relay, body: body.toString('base64') }),
      ended: () => this.#end('far_end'),
    }
  }

  #seen(press: PressFigures): void {
    this.#presses.push(press)
    this.#say(pressLine(press, this.#command.keys))
    if (this.#presses.length >= this.#command.keys) this.#end('keys')
  }

  async #watch(call: CheckCall): Promise<number> {
    const startMs = performance.now()
    const { keys, seconds } = this.#command
    this.#say(
      `connected: after the two beeps press ${keys} keys, in any order (1 to 9, *, 0, #), without talking; each is answered by a beep`,
    )
    const limit = setTimeout(() => this.#end('time'), seconds * 1_000)
    const silence = setTimeout(() => {
      if (!this.#isHearing) this.#say('no RTP has come so far: look at firewall, NAT and the address above')
    }, MEDIA_MS_MAX)
    const ended = await this.#over
    clearTimeout(limit)
    clearTimeout(silence)
    const durationMs = performance.now() - startMs
    if (ended === 'keys') await new Promise((done) => setTimeout(done, LINGER_MS))
    await call.hangUp()
    const figures = this.#isLost ? null : ((await this.#analyser?.finish()) ?? null)
    if (figures === null) return this.#fail('the analyser process is lost: run the check again')
    const report = makeReport({
      version: productVersion(),
      at: new Date(),
      trunk: this.#target?.trunk ?? null,
      direction: this.#target === null ? 'accepted' : 'placed',
      ended,
      durationMs,
      facts: call.facts,
      figures,
      presses: this.#presses,
    })
    for (const line of summaryLines(report)) this.#say(line)
    const { json } = this.#command
    if (json !== null) {
      const text = `${JSON.stringify(report, null, 2)}\n`
      if (json === '-') process.stdout.write(text)
      else if (isWritten(resolve(json), text)) this.#say(`\nThe report is in ${resolve(json)}`)
      else
        return this.#fail(
          `the report cannot be written to ${resolve(json)}: name a file in a folder that you may write`,
        )
    }
    return report.summary.presses > 0 ? 0 : 1
  }
}

function isWritten(file: string, text: string): boolean {
  try {
    writeFileSync(file, text)
    return true
  } catch {
    return false
  }
}
