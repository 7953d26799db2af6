import type { SeededRandom } from '../fakes/seeded-random.ts'

/** Who sends: what the top Via shows, so that answers come back. */
export type Sender = { readonly transport: 'UDP' | 'TCP'; readonly sentBy: string }

/** Writes valid SIP messages (RFC 3261 section 25) in all the ways that the grammar allows, the same for the same seed. */
export class MessageGrammar {
  readonly #random: SeededRandom
  readonly #sender: Sender
  #count = 0

  constructor(random: SeededRandom, sender: Sender) {
    this.#random = random
    this.#sender = sender
  }

  message(): Buffer {
    this.#count += 1
    const method = this.#pick(METHODS)
    const lines = this.#maybe(6)
      ? [`SIP/2.0 ${100 + this.#random.below(600)} ${this.#pick(['OK', '', 'Not = 2**3', '\u00d0\u00bd\u00d0\u00be'])}`]
      : [`${method} ${this.#uri()} SIP/2.0`]
    const body = this.#maybe(3) ? this.#body() : { type: '', text: '' }
    const fields = [
      this.#field('Via', 'v', this.#via()),
      this.#field('From', 'f', this.#nameAddr(`;tag=${this.#token()}`)),
      this.#field('To', 't', this.#nameAddr(this.#maybe(3) ? `;tag=${this.#token()}` : '')),
      this.#field('Call-ID', 'i', `${this.#count}-${this.#token()}${this.#maybe(2) ? '@[2001:db8::1]' : ''}`),
      this.#field('CSeq', 'CSEQ', `${this.#maybe(9) ? '000' : ''}${this.#random.below(2 ** 31)} ${method}`),
      ...this.#others(),
      ...(body.text === '' ? [] : [this.#field('Content-Type', 'c', body.type)]),
      ...(this.#maybe(9) && this.#sender.transport === 'UDP'
        ? []
        : [this.#field('Content-Length', 'l', String(body.text.length))]),
    ]
    this.#shuffle(fields)
    return Buffer.from(`${[...lines, ...fields].join('\r\n')}\r\n\r\n${body.text}`, 'latin1')
  }

  /** The bytes with one to five wounds: cut, doubled, replaced and inserted pieces, at any place. */
  damaged(message: Buffer): Buffer {
    let text = message.toString('latin1')
    for (let wounds = this.#random.below(5); wounds >= 0; wounds -= 1) {
      const at = this.#random.below(text.length + 1)
      const cut = this.#maybe(4) ? this.#random.below(80) : this.#random.below(3)
      const piece = this.#maybe(5)
        ? text.slice(this.#random.below(text.length + 1)).slice(0, this.#random.below(200))
        : this.#pick(PIECES)
      text = text.slice(0, at) + piece + text.slice(at + cut)
    }
    return Buffer.from(text, 'latin1')
  }

  #via(): string {
    const { transport, sentBy } = this.#sender
    const slash = this.#maybe(6) ? ' / ' : '/'
    const top = `SIP${slash}2.0${slash}${transport} ${sentBy}${this.#separator(';')}branch=z9hG4bK${this.#count}${this.#token()};rport`
    return this.#maybe(3) ? `${top}${this.#separator(',')}SIP/2.0/TLS ${this.#host()};branch=${this.#token()}` : top
  }

  #nameAddr(parameters: string): string {
    const name = this.#pick(['', 'A B ', `${this.#quoted()} `, this.#quoted(), `${this.#token()} `])
    // Without brackets a URI has no comma, semicolon or question mark (section 20).
    if (name === '' && this.#maybe(2)) return `sip:${this.#token()}@${this.#host()}${parameters}`
    return `${name}<${this.#uri()}>${parameters}${this.#maybe(4) ? `;x=${this.#quoted()}` : ''}`
  }

  #uri(): string {
    if (this.#maybe(12)) return 'tel:+1-201-555-0123;phone-context=example.com'
    const user = this.#maybe(5) ? '' : `${this.#user()}${this.#maybe(6) ? ':p%40ss' : ''}@`
    const parameters = this.#pick(['', ';lr', ';transport=tcp', `;x=${this.#token()};maddr=192.0.2.9`, ';user=phone'])
    return `${this.#pick(['sip', 'sips', 'SIP'])}:${user}${this.#host()}${parameters}`
  }

  #user(): string {
    return this.#pick(['alice', '+12015550123', 'a%20b%00', 'a;par=1', "x!y*z'(q)&=+$,/", '%F0%9F%98%80'])
  }

  #host(): string {
    const host = this.#pick([
      '192.0.2.1',
      'example.com',
      'a-b.example.com.',
      '[2001:db8::1]',
      '[::ffff:192.0.2.1]',
      'h',
    ])
    return this.#maybe(3) ? `${host}:${1 + this.#random.below(65_535)}` : host
  }

  #others(): string[] {
    const all = [
      this.#field('Max-Forwards', 'MAX-FORWARDS', String(this.#random.below(256))),
      this.#field(
        'Contact',
        'm',
        this.#pick([this.#nameAddr(';q=0.5'), `<${this.#uri()}>, <${this.#uri()}>;expires=60`]),
      ),
      this.#field('Supported', 'k', this.#pick(['', '100rel', `timer${this.#separator(',')}replaces`])),
      this.#field('Require', 'require', this.#pick(['100rel', 'timer'])),
      this.#field('Record-Route', 'record-route', `<sip:${this.#host()};lr>, <sip:${this.#host()};lr>`),
      this.#field('Subject', 's', this.#pick(['', 'h\u00c3\u00a9', ';;,,"', 'a'.repeat(this.#random.below(500))])),
      this.#field('Session-Expires', 'x', '90;refresher=uac'),
      this.#field('Authorization', 'authorization', `Digest username=${this.#quoted()}, uri="sip:b", nc=00000001`),
      this.#field(`X-${this.#token()}`, `x-${this.#token()}`, this.#token()),
    ]
    return all.filter(() => this.#maybe(3))
  }

  #body(): { readonly type: string; readonly text: string } {
    const sdp = 'v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n'
    if (this.#maybe(2)) return { type: 'application/sdp', text: sdp }
    const boundary = this.#token().replace(/[^A-Za-z0-9]/g, 'b')
    const part = `--${boundary}\r\nContent-Type: application/sdp\r\n\r\n${sdp}`
    const binary = `--${boundary}\r\nContent-Type: application/octet-stream\r\n\r\n\u0000\u00ff\r\n\r\nSIP/2.0 200 OK\r\n`
    return { type: `multipart/mixed;boundary="${boundary}"`, text: `${part}${binary}--${boundary}--\r\n` }
  }

  /** A header field in long or compact form, any case, with the white space and folds that section 7.3.1 allows. */
  #field(long: string, compact: string, value: string): string {
    const name = this.#pick([long, compact, long.toLowerCase(), long.toUpperCase()])
    const colon = this.#pick([': ', ':', ' : ', '\t:  ', ':\r\n ', ':  \r\n\t'])
    return `${name}${colon}${value}${this.#maybe(8) ? '  ' : ''}`
  }

  #separator(character: ';' | ','): string {
    return this.#pick([character, ` ${character} `, `\r\n ${character}`, `${character} \r\n\t`])
  }

  #quoted(): string {
    return this.#pick([
      '""',
      '"a, b;c"',
      '"a \\"b\\\\"',
      '"\\\u0000\\\u007f"',
      '"<sip:x@y>"',
      '"\u00d1\u20ac"',
    ]).replace('\u20ac', '\u0080')
  }

  #token(): string {
    let token = ''
    for (let length = 1 + this.#random.below(12); length > 0; length -= 1)
      token += TOKEN_CHARACTERS[this.#random.below(TOKEN_CHARACTERS.length)] ?? 'a'
    return token
  }

  #maybe(oneIn: number): boolean {
    return this.#random.below(oneIn) === 0
  }

  #pick(choices: readonly string[]): string {
    return choices[this.#random.below(choices.length)] ?? ''
  }

  #shuffle(items: string[]): void {
    for (let index = items.length - 1; index > 0; index -= 1) {
      const other = this.#random.below(index + 1)
      const kept = items[index] ?? ''
      items[index] = items[other] ?? ''
      items[other] = kept
    }
  }
}

const TOKEN_CHARACTERS = "abcXYZ019-.!%*_+`'~"

const METHODS = [
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'OPTIONS',
  'REGISTER',
  'INFO',
  'MESSAGE',
  'PRACK',
  "!odd-Method_*+`.%'~",
]

const PIECES = [
  '\r\n',
  '\r',
  '\n',
  '\u0000',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '"',
  '\\',
  '<',
  '>',
  '@',
  '=',
  '?',
  '%00',
  'SIP/2.0',
  'SIP/7.0',
  '\r\n\r\n',
  '\r\nContent-Length: 99\r\n',
  '\r\nl: -1\r\n',
  '\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n',
  '\r\n ',
  'z9hG4bK',
  '4294967296',
  '\u00ff',
  '['.repeat(40),
  '"'.repeat(41),
  ','.repeat(300),
  ';a='.repeat(300),
  '\\'.repeat(999),
  'a'.repeat(9_000),
]
