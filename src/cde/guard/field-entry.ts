import type { Form } from '../../wire/guard-protocol.ts'
import type { Brand, FieldName, FieldProgress, Problem } from '../../wire/window-progress.ts'
import type { Card } from '../card-body.ts'
import {
  CODE_DIGITS_MAX,
  CODE_DIGITS_MIN,
  PAN_DIGITS_MAX,
  brandOf,
  codeDigitsOf,
  isPanFull,
  judgePan,
  panDigitsMax,
} from './card-rules.ts'
import { EXPIRY_DIGITS, expiryDigitsMax, isExpiryFull, judgeExpiry } from './expiry.ts'
import { STAR_KEY, POUND_KEY } from './key-press.ts'
import { SecretDigits } from './secret-digits.ts'

/**
 * A field that was full and refused had perhaps a key too many before the end: what follows this close belongs to the
 * old try, not to the next. A person who starts again waits longer.
 */
const LEFTOVER_MS_MAX = 1_500
const LAST_FOUR = 4

export type EntryState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'entering' }
  | { readonly kind: 'complete' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly failure: 'tries_exhausted' | 'time_limit' }

/** Times are milliseconds of one monotonic clock, `dateMs` milliseconds since 1970. */
export type EntryInput =
  | { readonly kind: 'begin'; readonly nowMs: number }
  /** 0 to 9, star, pound; A to D are nothing a form knows. `doubled`: no hand presses the same key that soon again. */
  | {
      readonly kind: 'key'
      readonly key: number
      readonly doubled: boolean
      readonly nowMs: number
      readonly dateMs: number
    }
  | { readonly kind: 'time'; readonly nowMs: number; readonly dateMs: number }
  /** By the agent: a field, or null for the one being entered. */
  | { readonly kind: 'clear'; readonly field: FieldName | null }
  | { readonly kind: 'cancel' }

type Field = {
  readonly name: FieldName
  readonly digits: SecretDigits
  state: FieldProgress['state']
  brand: Brand | null
  lastFour: string | null
  problem: Problem | null
  triesLeft: number
  looksDoubled: boolean
  /** Digits of an accepted field, told also after they were wiped. */
  acceptedDigits: number
}

type Verdict = { readonly kind: 'good' } | { readonly kind: 'refused'; readonly code: Problem }

/**
 * The fields of a form in their order. `#` ends a field, `*` empties it, a full one ends itself; `#` on an empty field is
 * nothing, so the one that a customer still presses after a full field does no harm. A pause as long as the inter-digit
 * limit ends a field that is good as it stands. A refused field is wiped and costs a try.
 */
export class FieldEntry {
  readonly #form: Form
  readonly #fields: readonly Field[]
  #state: EntryState = { kind: 'idle' }
  #beganMs = 0
  #lastKeyMs = 0
  #leftover = false

  constructor(form: Form) {
    this.#form = form
    this.#fields = form.fields.map((name) => ({
      name,
      digits: new SecretDigits(),
      state: 'waiting',
      brand: null,
      lastFour: null,
      problem: null,
      triesLeft: form.tries,
      looksDoubled: false,
      acceptedDigits: 0,
    }))
  }

  get state(): EntryState {
    return this.#state
  }

  /** Takes one input and returns the state after it. In a final state nothing changes any more, and all digits but those of 'complete' are wiped. */
  step(input: EntryInput): EntryState {
    switch (input.kind) {
      case 'begin':
        if (this.#state.kind !== 'idle') break
        this.#beganMs = input.nowMs
        this.#state = this.#current() === undefined ? { kind: 'complete' } : { kind: 'entering' }
        break
      case 'key':
        if (this.#state.kind === 'entering') this.#key(input)
        break
      case 'time':
        if (this.#state.kind === 'entering') this.#time(input)
        break
      case 'clear':
        if (this.#state.kind === 'entering') this.#clear(input.field)
        break
      case 'cancel':
        if (this.#state.kind === 'idle' || this.#state.kind === 'entering') this.#end({ kind: 'cancelled' })
        break
    }
    return this.#state
  }

  /** The next time at which 'time' could change something, or null. */
  dueMs(): number | null {
    if (this.#state.kind !== 'entering') return null
    const totalMs = this.#beganMs + this.#form.totalMs
    const entered = this.#current()?.digits.length ?? 0
    return entered === 0 ? totalMs : Math.min(totalMs, this.#lastKeyMs + this.#form.interDigitMs)
  }

  /** What may be told outside. */
  progress(): readonly FieldProgress[] {
    return this.#fields.map((field) => ({
      name: field.name,
      state: field.state,
      entered: field.state === 'accepted' ? field.acceptedDigits : field.digits.length,
      digitsMax: this.#digitsMax(field),
      brand: field.brand,
      lastFour: field.lastFour,
      problem: field.problem,
      triesLeft: field.triesLeft,
    }))
  }

  /** The brand and last four of an accepted number. */
  accepted(): { readonly brand: Brand | null; readonly lastFour: string | null } {
    const pan = this.#fields.find((field) => field.name === 'card-number')
    return { brand: pan?.brand ?? null, lastFour: pan?.lastFour ?? null }
  }

  /** Lends the card to one synchronous call; a field that the form has not is empty. */
  lend<Result>(use: (card: Card) => Result): Result {
    const none = new SecretDigits()
    const digits = (name: FieldName) => this.#fields.find((field) => field.name === name)?.digits ?? none
    return digits('card-number').reveal((pan) =>
      digits('expiry').reveal((expiry) => digits('card-code').reveal((cardCode) => use({ pan, expiry, cardCode }))),
    )
  }

  /** Overwrites all digits, and ends the entry if it is not at its end. Safe to call twice. */
  wipe(): void {
    const isOpen = this.#state.kind === 'idle' || this.#state.kind === 'entering'
    this.#end(isOpen ? { kind: 'cancelled' } : this.#state)
  }

  #current(): Field | undefined {
    return this.#fields.find((field) => field.state !== 'accepted')
  }

  #key(input: Extract<EntryInput, { readonly kind: 'key' }>): void {
    const field = this.#current()
    if (field === undefined) return
    const sinceLastMs = input.nowMs - this.#lastKeyMs
    this.#lastKeyMs = input.nowMs
    if (input.key === POUND_KEY || input.key === STAR_KEY) {
      this.#leftover = false
      if (field.digits.length === 0) return
      if (input.key === STAR_KEY) empty(field)
      else this.#judge(field, input.dateMs)
      return
    }
    if (input.key > 9) return
    if (this.#leftover && sinceLastMs <= LEFTOVER_MS_MAX) return
    this.#leftover = false
    if (!field.digits.append(input.key)) return
    field.state = 'entering'
    field.problem = null
    field.looksDoubled ||= input.doubled
    if (field.name === 'card-number') field.brand = field.digits.reveal(brandOf)?.brand ?? null
    if (this.#isFull(field)) this.#leftover = !this.#judge(field, input.dateMs)
  }

  #time(input: { readonly nowMs: number; readonly dateMs: number }): void {
    if (input.nowMs - this.#beganMs >= this.#form.totalMs) {
      this.#end({ kind: 'failed', failure: 'time_limit' })
      return
    }
    const field = this.#current()
    if (field === undefined || field.digits.length === 0) return
    if (input.nowMs - this.#lastKeyMs >= this.#form.interDigitMs)
      this.#judge(field, input.dateMs, 'inter_digit_timeout')
  }

  #clear(name: FieldName | null): void {
    const field = name === null ? this.#current() : this.#fields.find((candidate) => candidate.name === name)
    if (field === undefined) return
    empty(field)
    // Its length depends on the brand of a number that is keyed anew.
    const code = this.#fields.find((candidate) => candidate.name === 'card-code')
    if (field.name === 'card-number' && code !== undefined) empty(code)
  }

  /** Returns whether the field was accepted. `tooShort` replaces that verdict, where it was a pause that ended the field. */
  #judge(field: Field, dateMs: number, tooShort: Problem = 'too_short'): boolean {
    const verdict = field.looksDoubled ? KEYS_DOUBLED : this.#verdict(field, dateMs)
    if (verdict.kind === 'good') {
      field.state = 'accepted'
      field.problem = null
      field.acceptedDigits = field.digits.length
      if (this.#current() === undefined) this.#state = { kind: 'complete' }
      return true
    }
    empty(field)
    field.state = 'refused'
    field.problem = verdict.code === 'too_short' ? tooShort : verdict.code
    field.triesLeft -= 1
    if (field.triesLeft <= 0) this.#end({ kind: 'failed', failure: 'tries_exhausted' })
    return false
  }

  #verdict(field: Field, dateMs: number): Verdict {
    switch (field.name) {
      case 'card-number': {
        const verdict = field.digits.reveal((digits) => judgePan(digits, this.#form.brands))
        if (verdict.kind === 'refused') return verdict
        field.brand = verdict.brand
        field.lastFour = field.digits.reveal(lastFourOf)
        return GOOD
      }
      case 'expiry': {
        const verdict = field.digits.reveal((digits) => judgeExpiry(digits, dateMs))
        if (verdict.kind === 'refused') return verdict
        keepAsMmyy(field.digits, verdict)
        return GOOD
      }
      case 'card-code':
        if (this.#codeLengthFits(field.digits.length)) return GOOD
        return { kind: 'refused', code: 'code_length' }
    }
  }

  #isFull(field: Field): boolean {
    if (field.name === 'card-number') return field.digits.reveal(isPanFull)
    if (field.name === 'expiry') return field.digits.reveal(isExpiryFull)
    return field.digits.length >= this.#digitsMax(field)
  }

  #digitsMax(field: Field): number {
    const isOpen = field.state === 'entering'
    if (field.name === 'card-number') {
      if (field.state === 'accepted') return field.acceptedDigits
      return isOpen ? field.digits.reveal(panDigitsMax) : PAN_DIGITS_MAX
    }
    if (field.name === 'expiry') return isOpen ? field.digits.reveal(expiryDigitsMax) : EXPIRY_DIGITS
    const { brand } = this.accepted()
    return brand === null ? CODE_DIGITS_MAX : codeDigitsOf(brand)
  }

  #codeLengthFits(length: number): boolean {
    const { brand } = this.accepted()
    return brand === null ? length >= CODE_DIGITS_MIN && length <= CODE_DIGITS_MAX : length === codeDigitsOf(brand)
  }

  #end(state: EntryState): void {
    this.#state = state
    for (const field of this.#fields) {
      field.digits.wipe()
      if (field.state === 'entering') field.state = 'waiting'
    }
  }
}

const GOOD: Verdict = { kind: 'good' }
const KEYS_DOUBLED: Verdict = { kind: 'refused', code: 'keys_doubled' }

function empty(field: Field): void {
  field.digits.clear()
  field.state = 'waiting'
  field.brand = null
  field.lastFour = null
  field.problem = null
  field.looksDoubled = false
}

/** PCI DSS 3.4.1 lets the last four be shown; called only after the check digit passed. */
function lastFourOf(digits: Uint8Array): string {
  return digits.subarray(digits.length - LAST_FOUR).join('')
}

function keepAsMmyy(digits: SecretDigits, date: { readonly month: number; readonly yearOfCentury: number }): void {
  digits.clear()
  for (const value of [date.month, date.yearOfCentury]) {
    digits.append(Math.floor(value / 10))
    digits.append(value % 10)
  }
}
