import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { formatWav } from '../../src/demo/audio/wav.ts'
import type { HostPort } from '../../src/wire/configuration.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { mediaPorts, type MediaPorts } from './media-ports.ts'
import type { SipCertificate } from './sip-certificates.ts'

export type BaresipOptions = {
  readonly name: string
  /** Below it everything of this telephone is written. */
  readonly folder: string
  /** SIP over UDP and TCP; baresip takes TLS at the port after it. */
  readonly local: HostPort
  /** It speaks with one tone, so that the other side can be asked what it hears. */
  readonly toneHz: number
  readonly transport?: 'udp' | 'tcp' | 'tls'
  /** Only this is taken: srtp-mand is SDES (RFC 4568). */
  readonly encryption?: 'srtp-mand' | 'dtls_srtp'
  readonly answers?: boolean
  /** What it shows over TLS, and who signs what it is shown. */
  readonly identity?: SipCertificate & { readonly authority: Buffer }
  /** Parameters of the account, such as a registrar's. */
  readonly account?: string
  /** The domain of its address of record; its own address unless said. */
  readonly domain?: string
}

/** An event as baresip tells it, with the SIP Call-ID. */
export type BaresipEvent = { readonly type: string; readonly param: string; readonly callId: string }

/** A SIP message without its body. */
export type BaresipMessage = { readonly from: string; readonly to: string; readonly text: string }

const MODULES = '/usr/lib/baresip/modules'
const RATE_HZ = 8_000
/** Longer than any call here; baresip stops sending at the end of its file. */
const TONE_S = 60
const TONE_PEAK = 8_000
const READY_MS_MAX = 10_000
const ANSWER_MS_MAX = 5_000
const EVENT_MS_MAX = 8_000
const HEAR_MS_MAX = 6_000
const CLOSE_MS = 2_000
const WAV_HEAD = 44
/** What is listened to at a time, and how much of it the tone must be. */
const LISTEN_SAMPLES = 1_600
const SHARE_MIN = 0.5
/** A key as a quick hand presses it. */
const KEY_MS = 80
const RELEASE = '\u0004'

/** All telephones of a test share a block: baresip takes a free port of it. */
let media: Promise<MediaPorts> | undefined

/** baresip, a telephone that others wrote, in a process of its own, without sound hardware; controlled over its ctrl_tcp. */
export class Baresip {
  readonly local: HostPort
  readonly events: BaresipEvent[] = []
  readonly #child: ChildProcess
  readonly #control: Socket
  readonly #folder: string
  readonly #answers = new Map<string, (ok: boolean) => void>()
  #buffer = Buffer.alloc(0)
  #count = 0

  private constructor(parts: {
    readonly child: ChildProcess
    readonly control: Socket
    readonly folder: string
    readonly local: HostPort
  }) {
    this.#child = parts.child
    this.#control = parts.control
    this.#folder = parts.folder
    this.local = parts.local
    parts.control.on('data', (bytes: Buffer) => this.#take(bytes))
    parts.control.on('error', () => undefined)
  }

  static async start(options: BaresipOptions): Promise<Baresip> {
    const folder = join(options.folder, options.name)
    const control = { host: '127.0.0.1', port: await freePort() }
    media ??= mediaPorts()
    writeSettings(options, { folder, control, media: await media })
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'baresip', '-s', '-f', folder], {
      cwd: folder,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const log: Buffer[] = []
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => log.push(bytes))
    const saved = (): void => writeFileSync(join(folder, 'baresip.log'), Buffer.concat(log))
    child.on('exit', saved)
    const untilMs = performance.now() + READY_MS_MAX
    while (performance.now() < untilMs && child.exitCode === null) {
      const socket = await connected(control)
      if (socket !== null) return new Baresip({ child, control: socket, folder, local: options.local })
      await delay(20)
    }
    child.kill('SIGKILL')
    throw new Error(`baresip did not start: ${Buffer.concat(log).toString('latin1').slice(-500)}`)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** One of its long commands, such as dial, hangup, hold, resume, transfer. False: it refused. */
  async command(command: string, parameters = ''): Promise<boolean> {
    this.#count += 1
    const token = `t${this.#count}`
    const text = JSON.stringify({ command, params: parameters, token })
    const answered = new Promise<boolean>((resolve) => this.#answers.set(token, resolve))
    this.#control.write(`${Buffer.byteLength(text)}:${text},`)
    const late = delay(ANSWER_MS_MAX, null, { ref: false })
    const ok = await Promise.race([answered, late])
    if (ok === null) throw new Error('baresip did not answer a command')
    return ok
  }

  /** Waits for the count-th event of a type since the start. */
  async until(type: string, count = 1): Promise<BaresipEvent> {
    const found = (): BaresipEvent | undefined => this.events.filter((event) => event.type === type)[count - 1]
    await eventually(() => found() !== undefined, EVENT_MS_MAX).catch(() => undefined)
    const event = found()
    if (event === undefined) throw new Error(`baresip told no ${type}: ${this.events.map((e) => e.type).join(' ')}`)
    return event
  }

  /** Presses keys as RFC 4733 events, one after the other. */
  async press(keys: string): Promise<void> {
    for (const key of keys) {
      await this.command('sndcode', key)
      await delay(KEY_MS)
      await this.command('sndcode', RELEASE)
      await delay(KEY_MS)
    }
  }

  /** The keys that it was told as events. */
  get keysHeard(): string {
    return this.events
      .filter(({ type }) => type === 'CALL_DTMF_START')
      .map(({ param }) => param)
      .join('')
  }

  /** Waits until what it hears from now on is this tone. */
  async hears(toneHz: number): Promise<void> {
    const from = this.recording().length
    const isHeard = (): boolean => {
      const heard = this.recording().subarray(from)
      return heard.length >= LISTEN_SAMPLES && toneShare(heard.subarray(-LISTEN_SAMPLES), toneHz) >= SHARE_MIN
    }
    await eventually(isHeard, HEAR_MS_MAX).catch(() => {
      const heard = this.recording().subarray(from)
      const share = toneShare(heard.subarray(-LISTEN_SAMPLES), toneHz)
      throw new Error(`the tone was not heard: ${heard.length} samples, share ${share.toFixed(2)}`)
    })
  }

  /** What it heard so far, at 8 kHz, as it decoded it. This baresip records up to the first hold and no further. */
  recording(): Int16Array {
    const files = readdirSync(this.#folder)
      .filter((file) => file.startsWith('dump-') && file.endsWith('-dec.wav'))
      .sort()
    const bodies = files.map((file) => readFileSync(join(this.#folder, file)).subarray(WAV_HEAD))
    const all = Buffer.concat(bodies)
    return Int16Array.from({ length: all.length >> 1 }, (_, index) => all.readInt16LE(index * 2))
  }

  /** The SIP that it sent and got, in order; written when it has ended. */
  messages(): readonly BaresipMessage[] {
    const colours = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g')
    const log = readFileSync(join(this.#folder, 'baresip.log'), 'latin1').replaceAll(colours, '')
    return log.split(/^#$/m).flatMap((part) => {
      const [, from, to, text] = /^\s*(?:UDP|TCP|TLS) (\S+) -> (\S+)\n([^]*?\r\n)\r\n/.exec(part) ?? []
      return from === undefined || to === undefined || text === undefined ? [] : [{ from, to, text }]
    })
  }

  /** Ends it. Safe to call twice. */
  async close(): Promise<void> {
    this.#control.destroy()
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS)
    await exited
    clearTimeout(late)
  }

  /** Netstrings of JSON: length, colon, text, comma. */
  #take(bytes: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes])
    for (;;) {
      const colon = this.#buffer.indexOf(':')
      const length = Number(this.#buffer.subarray(0, Math.max(0, colon)).toString('latin1'))
      if (colon < 1 || this.#buffer.length < colon + 1 + length + 1) return
      this.#hear(this.#buffer.subarray(colon + 1, colon + 1 + length).toString('utf8'))
      this.#buffer = this.#buffer.subarray(colon + 1 + length + 1)
    }
  }

  #hear(text: string): void {
    const told = JSON.parse(text) as Readonly<Record<string, unknown>>
    const { type, param, id, token, ok } = told
    if (told['event'] === true && typeof type === 'string')
      this.events.push({ type, param: textOf(param), callId: textOf(id) })
    else if (typeof token === 'string') this.#answers.get(token)?.(ok === true)
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** How much of the energy of some samples is one tone: 1 for that tone alone. */
export function toneShare(samples: Int16Array, toneHz: number): number {
  let [energy, real, imaginary] = [0, 0, 0]
  for (const [index, sample] of samples.entries()) {
    const angle = (2 * Math.PI * toneHz * index) / RATE_HZ
    energy += sample * sample
    real += sample * Math.cos(angle)
    imaginary += sample * Math.sin(angle)
  }
  return energy === 0 ? 0 : (2 * (real * real + imaginary * imaginary)) / (samples.length * energy)
}

function writeSettings(
  options: BaresipOptions,
  own: { readonly folder: string; readonly control: HostPort; readonly media: MediaPorts },
): void {
  const { local, name, transport = 'udp', identity } = options
  const { folder, control, media } = own
  mkdirSync(folder, { recursive: true })
  const wav = join(folder, 'tone.wav')
  const tone = Int16Array.from({ length: RATE_HZ * TONE_S }, (_, index) =>
    Math.round(TONE_PEAK * Math.sin((2 * Math.PI * options.toneHz * index) / RATE_HZ)),
  )
  writeFileSync(wav, formatWav({ rateHz: RATE_HZ, samples: tone }))
  if (identity !== undefined) {
    writeFileSync(join(folder, 'own.pem'), Buffer.concat([identity.key, identity.certificate]))
    writeFileSync(join(folder, 'authority.pem'), identity.authority)
  }
  writeFileSync(
    join(folder, 'config'),
    [
      ...[`sip_listen ${local.host}:${local.port}`, `net_interface ${local.host}`],
      ...(identity === undefined
        ? []
        : [`sip_certificate ${join(folder, 'own.pem')}`, `sip_cafile ${join(folder, 'authority.pem')}`]),
      ...[`audio_source aufile,${wav}`, 'audio_player aubridge,heard', 'audio_alert aubridge,alert'],
      ...[
        'audio_buffer 20-160',
        `rtp_ports ${media.min}-${media.max}`,
        'ringback_disabled yes',
        'call_local_timeout 30',
        'call_max_calls 4',
      ],
      ...[`snd_path ${folder}`, `ctrl_tcp_listen ${control.host}:${control.port}`, `module_path ${MODULES}`],
      ...['g711', 'aufile', 'aubridge', 'sndfile', 'srtp', 'dtls_srtp'].map((module) => `module ${module}.so`),
      'module_tmp account.so',
      ...['menu', 'ctrl_tcp'].map((module) => `module_app ${module}.so`),
      '',
    ].join('\n'),
  )
  const parameters = [
    ...(options.account === undefined ? ['regint=0'] : []),
    `answermode=${options.answers === true ? 'auto' : 'manual'}`,
    ...(options.encryption === undefined ? [] : [`mediaenc=${options.encryption}`]),
    ...(options.account === undefined ? [] : [options.account]),
  ]
  const domain = options.domain ?? `${local.host}:${local.port}`
  writeFileSync(join(folder, 'accounts'), `<sip:${name}@${domain};transport=${transport}>;${parameters.join(';')}\n`)
}

async function connected(address: HostPort): Promise<Socket | null> {
  const socket = connect(address)
  try {
    await once(socket, 'connect')
    return socket
  } catch {
    socket.destroy()
    return null
  }
}
