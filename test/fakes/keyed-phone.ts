import { dtlsKeys, type DtlsCertificate } from './dtls-keys.ts'
import { IceAgent } from './ice-agent.ts'
import { endpointOf, MediaParty } from './media-party.ts'
import { freeUdpPort } from './rtpengine.ts'

/** RFC 8445 section 14.3 repeats a check no sooner than after 500 ms; on loopback nobody minds. */
const CHECK_EVERY_MS = 50
const CHECKS_MS_MAX = 8_000

/** How a phone gets its keys: none, SDES (RFC 4568), DTLS (RFC 5763), or none but the passwords of ICE (RFC 8445). */
export type KeyKind = 'any' | 'srtp-sdes' | 'srtp-dtls' | 'ice'

/**
 * A telephone that offers once, answers any number of offers on one port, and agrees on keys as often as it answers. With
 * DTLS it is always the client (RFC 5763 section 5), which no packet is too early for; with ICE each answer to new passwords has
 * new ones.
 */
export class KeyedPhone {
  readonly #options: { readonly mark: number; readonly kind: KeyKind; readonly certificate: DtlsCertificate }
  readonly #port: number
  #ice = new IceAgent()
  #party: MediaParty | null = null
  /** Resolves when it talks to where it was told last. */
  isTalking: Promise<void> = Promise.resolve()

  private constructor(
    options: { readonly mark: number; readonly kind: KeyKind; readonly certificate: DtlsCertificate },
    port: number,
  ) {
    this.#options = options
    this.#port = port
  }

  static async open(options: {
    readonly mark: number
    readonly kind: KeyKind
    readonly certificate: DtlsCertificate
  }): Promise<KeyedPhone> {
    const phone = new KeyedPhone(options, await freeUdpPort())
    if (options.kind !== 'srtp-dtls') await phone.#open()
    return phone
  }

  get party(): MediaParty {
    if (this.#party === null) throw new Error('the phone has no media yet')
    return this.#party
  }

  /** Checks of ICE that came under a password that is not its own. */
  get refusedChecks(): number {
    return this.#ice.refused
  }

  /** Its offer; where it is talked to is told by talk(). */
  offer(): string {
    return this.#options.kind === 'srtp-dtls' ? this.#dtlsSdp() : this.party.sdp({ lines: this.#iceLines() })
  }

  answer(offer: string): string {
    switch (this.#options.kind) {
      case 'srtp-dtls':
        return this.#dtlsSdp()
      case 'ice':
        this.#ice.restart()
        this.#ice.learn(offer)
        return this.party.sdp({ lines: this.#iceLines() })
      case 'any':
      case 'srtp-sdes':
        return this.party.answer(offer)
    }
  }

  talk(told: string): Promise<void> {
    this.isTalking = this.#talk(told)
    return this.isTalking
  }

  close(): void {
    this.#party?.close()
  }

  async #talk(told: string): Promise<void> {
    if (this.#options.kind === 'srtp-dtls') {
      this.#party?.close()
      await this.#open({ dtls: await this.#handshake(endpointOf(told).port) })
    }
    if (this.#options.kind === 'ice') {
      this.#ice.learn(told)
      await this.#check(told)
    }
    this.party.talk(told)
  }

  async #check(told: string): Promise<void> {
    const { succeeded } = this.#ice
    const untilMs = performance.now() + CHECKS_MS_MAX
    while (this.#ice.succeeded === succeeded) {
      if (performance.now() > untilMs) throw new Error('no check was answered')
      this.party.check(told)
      await new Promise((resolve) => setTimeout(resolve, CHECK_EVERY_MS))
    }
  }

  async #open(keys: { readonly dtls?: Awaited<ReturnType<typeof dtlsKeys>> } = {}): Promise<void> {
    const { mark, kind } = this.#options
    this.#party = await MediaParty.open({
      mark,
      port: this.#port,
      ...keys,
      ...(kind === 'srtp-sdes' ? { suites: ['AES_CM_128_HMAC_SHA1_80'] as const } : {}),
      ...(kind === 'ice' ? { ice: this.#ice } : {}),
    })
  }

  #handshake(connectTo: number): ReturnType<typeof dtlsKeys> {
    return dtlsKeys({ certificate: this.#options.certificate, port: this.#port, connectTo })
  }

  #iceLines(): readonly string[] {
    return this.#options.kind === 'ice' ? this.#ice.lines(this.#port) : []
  }

  #dtlsSdp(): string {
    return [
      'v=0',
      'o=- 1 1 IN IP4 127.0.0.1',
      's=-',
      'c=IN IP4 127.0.0.1',
      't=0 0',
      `m=audio ${this.#port} UDP/TLS/RTP/SAVP 0 101`,
      'a=rtpmap:0 PCMU/8000',
      'a=rtpmap:101 telephone-event/8000',
      'a=setup:active',
      `a=fingerprint:sha-256 ${this.#options.certificate.fingerprint}`,
      'a=sendrecv',
      '',
    ].join('\r\n')
  }
}
