import type { CallView } from '../../wire/call-protocol.ts'
import type { FieldName } from '../../wire/window-progress.ts'
import { element, setAttribute, setText, type Part } from './element.ts'
import { fieldRow } from './field-row.ts'
import { BRAND_LABELS, FAILURES, currentField, guidance, maskedInWords } from './sentences.ts'

const FIELDS_MAX = 3
/** How long the button says that the token was copied. */
const COPIED_MS = 2_500

export type PaymentOrders = {
  readonly open: (form: string) => void
  readonly clear: (field: FieldName) => void
  readonly cancel: () => void
  readonly copied: () => void
}

type PanelState = {
  readonly call: CallView
  /** False while nobody would hear an order. */
  readonly reachable: boolean
  readonly ordering: 'open' | 'clear' | 'cancel' | null
  readonly refused: string | null
}

/** What to do and say now, the fields, and at most two buttons. Each part has its place whether it is filled or not. */
export function paymentPanel(orders: PaymentOrders): Part<PanelState> {
  const headline = element('h2', { class: 'headline', tabindex: '-1', id: 'headline' })
  const sayLabel = element('span', { class: 'say-label', text: 'You can say' })
  const sayText = element('q', { class: 'say-text' })
  const say = element('p', { class: 'say' }, sayLabel, sayText)
  const note = element('p', { class: 'note' })
  const rows = Array.from({ length: FIELDS_MAX }, () => fieldRow(orders.clear))
  const fields = element('ol', { class: 'fields', 'aria-label': 'Card' }, ...rows.map(({ node }) => node))
  const token = tokenBox(orders.copied)
  const form = element('select', { id: 'form', class: 'form-choice' })
  const formLabel = element('label', { for: 'form', text: 'What to ask for' })
  const open = element('button', { type: 'button', class: 'primary', text: 'Take card' })
  const cancel = element('button', { type: 'button', class: 'secondary', text: 'Cancel' })
  const choice = element('span', { class: 'choice' }, formLabel, form)
  const refusal = element('p', { class: 'refusal' })
  const masked = element('p', { class: 'masked' })
  const actions = element('div', { class: 'actions' }, choice, open, masked, refusal, cancel)
  const instruction = element('div', { class: 'instruction' }, headline, say, token.node, note)
  const node = element('section', { class: 'payment', 'aria-labelledby': 'headline' }, instruction, actions)
  node.append(fields)

  let formsShown = ''
  open.addEventListener('click', () => orders.open(form.value))
  cancel.addEventListener('click', orders.cancel)

  return {
    node,
    update: ({ call, reachable, ordering, refused }) => {
      const words = guidance(call)
      const { payment } = call
      const running = payment !== null && payment.state !== 'closed'
      const ended = call.state === 'ended'
      setAttribute(node, 'data-tone', words.tone)
      setText(headline, words.headline)
      setText(sayText, words.say ?? '')
      say.hidden = words.say === null || ended
      setText(note, words.note ?? '')
      setText(refusal, refused ?? '')

      const shown = payment === null || payment.failure === 'cancelled' ? [] : payment.fields
      const current = payment === null ? null : currentField(payment)
      rows.forEach((row, index) => {
        const field = shown[index]
        row.node.hidden = field === undefined
        if (field === undefined) return
        const capturing = payment?.state === 'capturing'
        row.update({ field, current: capturing && field === current, canClear: capturing && reachable && !ended })
      })
      fields.hidden = shown.length === 0
      token.update(call)

      if (call.forms.join() !== formsShown) {
        formsShown = call.forms.join()
        form.replaceChildren(...call.forms.map((name) => element('option', { value: name, text: formInWords(name) })))
      }
      const focusLost = [open, cancel].some((button) => button === document.activeElement)
      choice.hidden = running || ended || call.forms.length < 2
      open.hidden = running || ended || call.forms.length === 0
      open.disabled = !reachable || ordering === 'open'
      setText(open, openInWords(call, ordering === 'open'))
      setAttribute(open, 'class', payment?.token == null ? 'primary' : 'secondary')
      setText(masked, maskedInWords(call))
      masked.hidden = masked.textContent === ''
      const over = payment?.state === 'cooling' || payment?.state === 'held'
      cancel.hidden = !running || over || ended
      cancel.disabled = !reachable || ordering === 'cancel'
      if (focusLost && document.activeElement === document.body) headline.focus()
    },
  }
}

/** The token in full, to be copied, with the brand and the last four. */
function tokenBox(copied: () => void): Part<CallView> {
  const card = element('span', { class: 'token-card' })
  const value = element('code', { class: 'token-value', tabindex: '0', 'aria-label': 'Token' })
  const copy = element('button', { type: 'button', class: 'primary', text: 'Copy token' })
  const node = element('div', { class: 'token' }, card, value, copy)
  let timer: ReturnType<typeof setTimeout> | undefined
  copy.addEventListener('click', () => {
    void copyText(value).then((done) => {
      setText(copy, done ? 'Copied' : 'Press Ctrl+C')
      clearTimeout(timer)
      timer = setTimeout(() => setText(copy, 'Copy token'), COPIED_MS)
      if (done) copied()
    })
  })
  return {
    node,
    update: ({ payment }) => {
      node.hidden = payment?.token == null
      const brand = payment?.brand == null ? '' : `${BRAND_LABELS[payment.brand]} `
      setText(card, payment?.lastFour == null ? brand : `${brand}•••• ${payment.lastFour}`)
      setText(value, payment?.token ?? '')
    },
  }
}

/** Outside of HTTPS and localhost there is no clipboard for pages: then the text is selected instead. */
async function copyText(node: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(node.textContent)
    return true
  } catch {
    getSelection()?.selectAllChildren(node)
    return false
  }
}

function openInWords(call: CallView, ordering: boolean): string {
  if (ordering) return 'Securing the line…'
  const { payment } = call
  if (payment?.token != null) return 'Take another card'
  return payment !== null && payment.failure !== 'cancelled' && payment.failure !== null && payment.failure in FAILURES
    ? 'Try again'
    : 'Take card'
}

/** A form's name from the configuration, as words: card-and-code becomes "Card and code". */
function formInWords(name: string): string {
  const words = name.replaceAll('-', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
