import type { Form } from '../../wire/guard-protocol.ts'
import type { CaptureFailure, FieldName, FieldProgress, WindowProgress } from '../../wire/window-progress.ts'
import type { TokenizeAnswer, VaultClient } from '../vault-client.ts'
import { FieldEntry } from './field-entry.ts'
import type { CountedKey } from './key-merge.ts'
import { KeyReceiver } from './key-receiver.ts'
import type { KeyPress } from './key-press.ts'
import type { RtpPacket } from './rtp-packet.ts'

/** A customer and an agent wait for the token; a vault that takes longer has failed. */
const STORE_DEADLINE_MS = 10_000

export type CaptureVault = Pick<VaultClient, 'tokenize'>

export type CaptureOptions = {
  readonly windowId: string
  readonly merchant: string
  /** null: keys are heard, but none is taken. */
  readonly form: Form | null
  readonly vault: CaptureVault
  /** Milliseconds since 1970, for the expiry. */
  readonly dateMs: () => number
  /** Milliseconds of the guard's clock, for what happens outside of a step. */
  readonly clockMs: () => number
  readonly keyTaken: (transport: KeyPress['transport']) => void
  readonly changed: () => void
}

type Phase =
  | { readonly state: 'masking' | 'capturing' | 'storing' | 'cancelled' }
  | { readonly state: 'finished'; readonly token: string; readonly lastFour: string }
  | { readonly state: 'failed'; readonly failure: CaptureFailure }

/** From the payer's keys to the token: hears keys all the time, takes them while capturing, and stores the card once. */
export class Capture {
  readonly #options: CaptureOptions
  readonly #keys = new KeyReceiver((key) => this.#counted(key))
  readonly #entry: FieldEntry | null
  #phase: Phase = { state: 'masking' }
  #capturingSinceMs = Infinity
  #endedMs: number | null
  #nowMs = 0
  #wiped = false

  constructor(options: CaptureOptions) {
    this.#options = options
    this.#entry = options.form === null ? null : new FieldEntry(options.form)
    this.#endedMs = options.form === null ? options.clockMs() : null
  }

  get state(): Phase['state'] {
    return this.#phase.state
  }

  /** What of the progress is the capture's. */
  progress(): Omit<WindowProgress, 'masking'> {
    const phase = this.#phase
    return {
      state: phase.state,
      fields: this.#entry?.progress() ?? NO_FIELDS,
      token: phase.state === 'finished' ? phase.token : null,
      lastFour: phase.state === 'finished' ? phase.lastFour : null,
      brand: this.#entry?.accepted().brand ?? null,
      failure: phase.state === 'failed' ? phase.failure : null,
    }
  }

  /** One packet of the payer; its keys count from the time of begin() on. */
  accept(packet: RtpPacket, nowMs: number): void {
    this.#nowMs = nowMs
    if (!this.#wiped) this.#keys.accept(packet, nowMs)
  }

  /** The body of a SIP INFO, which is overwritten. */
  info(body: Buffer, relay: boolean, nowMs: number): void {
    this.#nowMs = nowMs
    if (!this.#wiped) this.#keys.info(body, relay, nowMs)
    body.fill(0)
  }

  /** Returns false when it cannot begin any more. */
  begin(nowMs: number): boolean {
    if (this.#entry === null || this.#phase.state === 'capturing') return true
    if (this.#phase.state !== 'masking') return false
    this.#capturingSinceMs = nowMs
    this.#entry.step({ kind: 'begin', nowMs })
    this.#enter({ state: 'capturing' })
    return true
  }

  clear(field: FieldName | null): boolean {
    if (this.#entry === null || this.#phase.state !== 'capturing') return false
    this.#entry.step({ kind: 'clear', field })
    this.#options.changed()
    return true
  }

  /** Returns false when the card is being stored already, or all is over. */
  cancel(): boolean {
    if (this.#phase.state !== 'capturing' && this.#phase.state !== 'masking') return false
    this.#entry?.step({ kind: 'cancel' })
    this.#enter({ state: 'cancelled' })
    return true
  }

  /** Masking cannot be relied on, or nobody is there any more: no more keys are taken, and the digits so far are overwritten. */
  stop(failure: 'sentinel_alarm' | 'payer_media_lost'): void {
    if (this.#phase.state !== 'capturing' && this.#phase.state !== 'masking') return
    this.#entry?.wipe()
    this.#enter({ state: 'failed', failure })
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#wiped) return
    this.#keys.due(nowMs)
    if (this.#entry === null || this.#phase.state !== 'capturing') return
    const dueMs = this.#entry.dueMs()
    if (dueMs === null || dueMs > nowMs) return
    this.#entry.step({ kind: 'time', nowMs, dateMs: this.#options.dateMs() })
    this.#options.changed()
    this.#follow()
  }

  dueMs(): number {
    if (this.#wiped) return Infinity
    return Math.min(
      this.#keys.dueMs() ?? Infinity,
      this.#phase.state === 'capturing' ? (this.#entry?.dueMs() ?? Infinity) : Infinity,
    )
  }

  isKeyDown(nowMs: number): boolean {
    return this.#keys.isKeyDown(nowMs)
  }

  /** Nothing more is to be captured, whether keys are still heard or not. */
  get isOver(): boolean {
    return this.#endedMs !== null
  }

  /** Since when nothing was heard of a key and nothing more is to be captured, or null while something is. */
  quietSinceMs(nowMs: number): number | null {
    if (this.#endedMs === null || this.#keys.isKeyDown(nowMs)) return null
    return Math.max(this.#endedMs, this.#keys.heardMs)
  }

  /** Overwrites all digits and audio. Safe to call twice. */
  wipe(): void {
    this.#wiped = true
    this.#entry?.wipe()
    this.#keys.wipe()
  }

  #counted({ press, doubled }: CountedKey): void {
    if (this.#entry === null || this.#phase.state !== 'capturing') return
    // When an INFO was sent at the press and not after it, as many telephones do, its start is guessed too early.
    const pressedMs = press.transport === 'info' ? press.heardMs : press.startMs
    if (pressedMs < this.#capturingSinceMs) return
    this.#options.keyTaken(press.transport)
    this.#entry.step({ kind: 'key', key: press.key, doubled, nowMs: this.#nowMs, dateMs: this.#options.dateMs() })
    this.#options.changed()
    this.#follow()
  }

  #follow(): void {
    const state = this.#entry?.state
    if (state?.kind === 'failed') this.#enter({ state: 'failed', failure: state.failure })
    else if (state?.kind === 'complete') void this.#store()
  }

  /** Never rejects. The digits are overwritten as soon as the vault's client has its copy, which it overwrites itself. */
  async #store(): Promise<void> {
    const entry = this.#entry
    if (entry === null) return
    this.#enter({ state: 'storing' })
    const answer = await this.#tokenize(entry)
    if (answer.type === 'tokenized') {
      this.#enter({ state: 'finished', token: answer.token, lastFour: answer.lastFour })
    } else {
      const failure = answer.type === 'refused' ? 'vault_refused' : 'vault_unavailable'
      this.#enter({ state: 'failed', failure })
    }
  }

  #tokenize(entry: FieldEntry): Promise<TokenizeAnswer> {
    const { windowId, merchant, vault } = this.#options
    try {
      // One window stores one card, so its id is what makes a repetition the same request.
      const request = { windowId, merchant, idempotencyKey: windowId }
      return entry.lend((card) => vault.tokenize(request, card, { deadlineMs: STORE_DEADLINE_MS }))
    } finally {
      entry.wipe()
    }
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    const isOver = phase.state === 'finished' || phase.state === 'cancelled' || phase.state === 'failed'
    if (isOver) this.#endedMs = this.#options.clockMs()
    this.#options.changed()
  }
}

const NO_FIELDS: readonly FieldProgress[] = []
