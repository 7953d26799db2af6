import type { CallView, Payment, PaymentFailure } from '../../wire/call-protocol.ts'
import type { Brand, FieldName, FieldProgress, Problem } from '../../wire/window-progress.ts'
import { isMasked } from './model.ts'

/**
 * Every word that an agent reads, and may say to the customer. Each code of the wire has its sentence: a new code
 * without one does not compile. `say` is spoken as it stands; null where there is nothing to say.
 */
export type Guidance = {
  /** How it looks: waiting for us, waiting for the customer, well done, something to put right, failed, or nothing yet. */
  readonly tone: 'wait' | 'ask' | 'done' | 'fix' | 'failed' | 'ready'
  readonly headline: string
  readonly say: string | null
  readonly note: string | null
}

export const FIELD_LABELS: Readonly<Record<FieldName, string>> = {
  'card-number': 'Card number',
  expiry: 'Expiry date',
  'card-code': 'Security code',
}

export const BRAND_LABELS: Readonly<Record<Brand, string>> = {
  visa: 'Visa',
  mastercard: 'Mastercard',
  'american-express': 'American Express',
  'diners-club': 'Diners Club',
  discover: 'Discover',
  jcb: 'JCB',
  unionpay: 'UnionPay',
  maestro: 'Maestro',
  mir: 'Mir',
  elo: 'Elo',
  hiper: 'Hiper',
  hipercard: 'Hipercard',
  verve: 'Verve',
}

const ASK: Readonly<Record<FieldName, { readonly headline: string; readonly say: string }>> = {
  'card-number': {
    headline: 'Ask for the card number',
    say: 'Please type your card number on your phone, and then the hash key.',
  },
  expiry: {
    headline: 'Ask for the expiry date',
    say: 'Now the expiry date, please: two digits for the month, two for the year, and then the hash key.',
  },
  'card-code': {
    headline: 'Ask for the security code',
    say: 'Now the three digits on the back of the card, please, and then the hash key.',
  },
}
const ASK_CODE_AMERICAN_EXPRESS = 'Now the four digits on the front of the card, please, and then the hash key.'

/** What went wrong with a field; `short` stands beside it. */
export const PROBLEMS: Readonly<Record<Problem, { readonly short: string; readonly say: string }>> = {
  check_digit: {
    short: 'A digit is wrong',
    say: 'One of the digits was not right. Please type the whole card number again, slowly, and then the hash key.',
  },
  too_short: {
    short: 'Too few digits',
    say: 'Some digits are missing. Please type it again from the beginning, and then the hash key.',
  },
  unknown_brand: {
    short: 'Not a card we know',
    say: 'That does not look like a payment card. Could you check that it is the long number on the card, and type it again?',
  },
  brand_not_accepted: {
    short: 'Card type not accepted',
    say: 'I am sorry, we cannot take this type of card. Do you have another one? Then please type its number.',
  },
  expired: {
    short: 'Date is in the past',
    say: 'According to that date the card has expired. Please check the date and type it again, or use another card.',
  },
  not_a_date: {
    short: 'Not a date',
    say: 'That was not a date. Please type two digits for the month and two for the year, for example zero four, two nine.',
  },
  code_length: {
    short: 'Wrong number of digits',
    say: 'The security code has a different number of digits. Please look again and type it once more.',
  },
  keys_doubled: {
    short: 'Keys came twice',
    say: 'The line repeated some keys. Please type it again, pressing each key briefly, with a short pause between.',
  },
  inter_digit_timeout: {
    short: 'Waited too long',
    say: 'The typing stopped for too long. There is no hurry: please type it again from the beginning.',
  },
}

export const FAILURES: Readonly<Record<PaymentFailure, { readonly headline: string; readonly say: string | null }>> = {
  tries_exhausted: {
    headline: 'No tries left',
    say: 'I am sorry, that did not work. Shall we start once more, perhaps with another card?',
  },
  time_limit: {
    headline: 'The time is up',
    say: 'I am sorry, the time ran out. Whenever you have the card ready we can start again.',
  },
  vault_unavailable: {
    headline: 'The card could not be stored',
    say: 'I am sorry, our system could not store the card. Nothing was charged. Let us try again in a moment.',
  },
  vault_refused: {
    headline: 'The card was not taken',
    say: 'I am sorry, our system did not take this card. Nothing was charged. Could we try another one?',
  },
  guard_lost: {
    headline: 'The capture broke off',
    say: 'I am sorry, the connection to our payment system broke off. Please stop typing; we will start again.',
  },
  sentinel_alarm: {
    headline: 'Stopped for safety: masking failed, and nothing was let through',
    say: 'I am sorry, I have to stop here to protect your card. Please stop typing.',
  },
  payer_media_lost: {
    headline: 'The customer’s line went silent',
    say: 'Hello, can you hear me? I am afraid that your line broke off for a moment. We will start again.',
  },
  guard_unavailable: {
    headline: 'Do not ask for the card: masking is not available now',
    say: 'I cannot take the card at this moment. May I ask you to wait a little?',
  },
  out_of_service: {
    headline: 'Do not ask for the card: masking failed its own test',
    say: 'I cannot take the card at this moment. May I ask you to call again later, or to pay another way?',
  },
  not_recorded: {
    headline: 'Do not ask for the card: no record can be kept now',
    say: 'I cannot take the card at this moment. May I ask you to call again later, or to pay another way?',
  },
  unknown_merchant: {
    headline: 'Do not ask for the card: the vault does not take it',
    say: 'I cannot take the card at this moment. May I ask you to pay another way?',
  },
  media_unavailable: {
    headline: 'Do not ask for the card: the line could not be secured',
    say: 'I cannot take the card at this moment. May I ask you to wait a little?',
  },
  not_proven: {
    headline: 'Do not ask for the card: the line could not be secured',
    say: 'I cannot take the card at this moment. May I ask you to wait a little?',
  },
  cancelled: { headline: 'Cancelled', say: 'That is cancelled. Nothing was stored.' },
  call_ended: { headline: 'The call ended before the card was complete', say: null },
  media_lost: {
    headline: 'The call’s sound broke off',
    say: 'I am sorry, the line broke off. Please stop typing; we will start again.',
  },
  sbc_lost: { headline: 'The call control failed before the card was complete', say: null },
  sip_lost: {
    headline: 'The call control failed before the card was complete',
    say: 'I am sorry, our system had a fault. Please stop typing; we will start again.',
  },
}

/** Why an order was not carried out, by the API's code. */
const ORDER_REFUSED: Readonly<Record<string, string>> = {
  unreachable: 'The desk could not be reached. Do not ask for the card; try again when it is back.',
  sbc_lost: 'The call control cannot be reached. Do not ask for the card; try again when it is back.',
  sbc_timeout: 'No answer came in time. Do not ask for the card unless this page says so.',
  guard_unavailable: 'Masking is not available now. Do not ask for the card; try again in a moment.',
  out_of_service:
    'Masking failed its own test and is switched off until it passes. Do not ask for the card. The call goes on.',
  media_unavailable: 'The line could not be secured. Do not ask for the card; try again in a moment.',
  not_proven: 'The line could not be secured. Do not ask for the card; try again.',
  not_recorded: 'The audit record cannot be written now. Do not ask for the card. The call goes on.',
  unknown_merchant: 'The vault takes no card for this merchant. Do not ask for the card. The call goes on.',
  window_open: 'A card is being taken on this call already.',
  no_window: 'That is over already.',
  call_ended: 'The call has ended.',
  unknown_call: 'This call is not there any more.',
  emergency: 'This is an emergency call. No card can be taken on it.',
  unknown_form: 'This form is not allowed on this call.',
}

export function orderRefused(code: string): string {
  return ORDER_REFUSED[code] ?? 'That did not work. Do not ask for the card; try again.'
}

/** A capture that goes on after an alarm: nothing got through, and hard masking does not rely on what failed. */
const ALARMED =
  'Masking raised an alarm. No key got through: until the end you do not hear the customer at all, but they hear you. ' +
  'Go on, and tell your supervisor afterwards.'

/** Muted, a telephone that sends no silence, or a broken line: which of them it is, only asking tells. */
export const PAYER_SILENT =
  'No sound comes from the customer’s line. They may be muted or just quiet: ask whether they hear you. ' +
  'Without an answer, cancel, and try again when you hear them.'

/** What the agent should do now. */
export function guidance(call: CallView): Guidance {
  const told = guidanceWithoutWarnings(call)
  const { payment } = call
  if (payment === null || payment.state === 'closed') return told
  const notes = [payment.alarmed ? ALARMED : null, isPayerSilent(call) ? PAYER_SILENT : told.note]
  return { ...told, note: notes.filter((note) => note !== null).join(' ') || null }
}

/** While the customer is awaited; afterwards it does not matter. */
export function isPayerSilent({ payment }: CallView): boolean {
  return payment?.payerSilent === true && payment.state === 'capturing'
}

function guidanceWithoutWarnings(call: CallView): Guidance {
  const { payment } = call
  if (payment === null || (payment.state === 'closed' && payment.failure === 'cancelled')) {
    const cancelled = payment === null ? null : FAILURES.cancelled
    if (call.state === 'ended') return { tone: 'ready', headline: 'The call has ended', say: null, note: null }
    return {
      tone: 'ready',
      headline: cancelled?.headline ?? 'Ready when you need a card',
      say: cancelled?.say ?? 'Please have your card ready, but do not say or type anything yet.',
      note: 'The customer will type it on their phone. Neither you nor the recording will hear the keys.',
    }
  }
  switch (payment.state) {
    case 'opening':
      return {
        tone: 'wait',
        headline: 'Do not ask for the card yet',
        say: 'One moment, please. I am securing the line.',
        note: 'This takes less than a second as a rule.',
      }
    case 'capturing':
      return asking(payment)
    case 'storing':
      return { tone: 'wait', headline: 'Storing the card', say: 'Thank you. One moment, please.', note: STILL_MASKED }
    case 'held':
      return {
        ...outcome(payment),
        note: 'The customer stays masked. The line opens by itself as soon as it is safe; you can go on talking.',
      }
    case 'cooling':
    case 'closed':
      return outcome(payment)
  }
}

const ON_THEIR_PHONE = 'Ask the customer to type it on their phone and end with #. The star key * starts again.'
const STILL_MASKED = 'The keys of the customer are masked.'

/** Otherwise an agent takes the sound of masking for a fault of the line. */
const MASKED_TALKING = 'the customer sounds hollow'
const MASKED_HARD = 'you do not hear the customer, but they hear you'

/** What is masked at this moment, for the mark below the instruction; empty when nothing is. */
export function maskedInWords(call: CallView): string {
  const { payment } = call
  if (payment === null || !isMasked(call)) return ''
  const keys = payment.state === 'cooling' ? 'Keys are masked a few seconds more' : 'Keys are masked'
  return `${keys}: ${payment.masking === 'hard' || payment.alarmed ? MASKED_HARD : MASKED_TALKING}`
}

/** The field that the customer is typing, or will. */
export function currentField(payment: Payment): FieldProgress | null {
  return payment.fields.find((field) => field.state !== 'accepted') ?? null
}

function asking(payment: Payment): Guidance {
  const field = currentField(payment)
  if (field === null) return { tone: 'wait', headline: 'One moment', say: null, note: STILL_MASKED }
  const brand = payment.brand ?? payment.fields.find(({ name }) => name === 'card-number')?.brand ?? null
  const amex = field.name === 'card-code' && brand === 'american-express'
  const ask = ASK[field.name]
  if (field.problem !== null && field.entered === 0) return again(field)
  if (field.state === 'refused' && field.problem !== null) return again(field)
  return {
    tone: 'ask',
    headline: ask.headline,
    say: amex ? ASK_CODE_AMERICAN_EXPRESS : ask.say,
    note: ON_THEIR_PHONE,
  }
}

function again(field: FieldProgress): Guidance {
  const problem = field.problem === null ? null : PROBLEMS[field.problem]
  return {
    tone: 'fix',
    headline: `${FIELD_LABELS[field.name]}: ${lowerFirst(problem?.short ?? 'please again')}`,
    say: problem?.say ?? null,
    note: triesLeft(field),
  }
}

function outcome(payment: Payment): Guidance {
  if (payment.token !== null) {
    return {
      tone: 'done',
      headline: 'The card is stored',
      say: 'Thank you, I have everything that I need.',
      note: null,
    }
  }
  if (payment.failure === null) return { tone: 'wait', headline: 'One moment', say: null, note: STILL_MASKED }
  return { tone: 'failed', ...FAILURES[payment.failure], note: null }
}

export function triesLeft(field: FieldProgress): string {
  if (field.triesLeft === 0) return 'No tries left'
  return field.triesLeft === 1 ? 'This is the last try' : `${field.triesLeft} tries left`
}

/** One field in words, for a screen reader. */
export function fieldInWords(field: FieldProgress): string {
  const label = FIELD_LABELS[field.name]
  const brand = field.brand === null ? '' : `, ${BRAND_LABELS[field.brand]}`
  switch (field.state) {
    case 'waiting':
      return field.problem === null ? `${label}: waiting` : `${label}: ${lowerFirst(PROBLEMS[field.problem].short)}`
    case 'entering':
      return `${label}: ${field.entered === 1 ? '1 digit' : `${field.entered} digits`} typed${brand}`
    case 'refused':
      return `${label}: ${field.problem === null ? 'not taken' : lowerFirst(PROBLEMS[field.problem].short)}`
    case 'accepted':
      return `${label}: accepted${brand}${field.lastFour === null ? '' : `, ending in ${[...field.lastFour].join(' ')}`}`
  }
}

/** What the line at the top says about the connection; `bad` makes it stand out. */
export function connectionInWords(options: {
  readonly connection: 'connecting' | 'live' | 'reconnecting'
  readonly sbc: 'up' | 'down'
  readonly masked: boolean
}): { readonly bad: boolean; readonly text: string } {
  const { connection, sbc, masked } = options
  if (connection === 'connecting') return { bad: false, text: 'Connecting…' }
  if (connection === 'reconnecting') {
    return {
      bad: true,
      text: masked
        ? 'Reconnecting… The customer stays masked. This page catches up by itself.'
        : 'Reconnecting… Do not ask for a card until this page is back. It comes back by itself.',
    }
  }
  if (sbc === 'down') {
    return {
      bad: true,
      text: masked
        ? 'The call control does not answer. The customer stays masked; ask them to wait with typing.'
        : 'The call control does not answer. A card cannot be taken until it is back, by itself.',
    }
  }
  return { bad: false, text: 'Connected' }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
