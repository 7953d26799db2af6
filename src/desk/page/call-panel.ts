import type { CallView } from '../../wire/call-protocol.ts'
import { element, setAttribute, setText, type Part } from './element.ts'
import { callsInOrder, type PageModel } from './model.ts'
import { guidance } from './sentences.ts'

/** A supervisor can have thousands of calls; a list of more than this helps nobody. */
const LISTED_MAX = 40

const STATES: Readonly<Record<CallView['state'], string>> = { talking: 'Talking', held: 'On hold', ended: 'Ended' }

type HeadState = { readonly call: CallView; readonly nowMs: number }

/** Who is on the line, and since when. */
export function callHead(): Part<HeadState> {
  const party = element('h1', { class: 'party' })
  const state = element('span', { class: 'call-state' })
  const time = element('span', {
    class: 'call-time',
    role: 'timer',
    'aria-live': 'off',
    'aria-label': 'Time of the call',
  })
  const line = element('p', { class: 'call-line' }, state, time)
  const to = element('span', { class: 'call-to' })
  line.append(to)
  const node = element('div', { class: 'call-head' }, party, line)
  return {
    node,
    update: ({ call, nowMs }) => {
      setText(party, partyOf(call))
      setText(state, STATES[call.state])
      setAttribute(node, 'data-state', call.state)
      setText(time, durationInWords((call.endedAtMs ?? nowMs) - call.startedAtMs))
      setText(to, call.to === '' ? `for ${call.merchant}` : `to ${call.to} for ${call.merchant}`)
    },
  }
}

/** All calls of this agent, to choose from. */
export function callList(options: {
  readonly show: (callId: string) => void
  readonly withAgents: boolean
}): Part<PageModel> {
  const heading = element('h2', { class: 'list-heading', text: 'Calls' })
  const list = element('ul', { class: 'calls' })
  const more = element('p', { class: 'more' })
  const node = element('nav', { class: 'call-list', 'aria-label': 'Calls' }, heading, list, more)
  const buttons = new Map<string, { readonly item: HTMLElement; readonly update: (call: CallView) => void }>()

  const make = (callId: string) => {
    const party = element('span', { class: 'list-party' })
    const what = element('span', { class: 'list-what' })
    const button = element('button', { type: 'button', class: 'list-call' }, party, what)
    button.addEventListener('click', () => options.show(callId))
    return {
      item: element('li', {}, button),
      update: (call: CallView) => {
        setText(party, options.withAgents ? `${partyOf(call)} · ${call.agent}` : partyOf(call))
        setText(what, inList(call))
        setAttribute(button, 'data-state', call.state)
      },
    }
  }

  return {
    node,
    update: (model) => {
      const calls = callsInOrder(model)
      const listed = calls.slice(0, LISTED_MAX)
      for (const callId of [...buttons.keys()]) {
        if (listed.some((call) => call.callId === callId)) continue
        buttons.get(callId)?.item.remove()
        buttons.delete(callId)
      }
      listed.forEach((call, index) => {
        const entry = buttons.get(call.callId) ?? make(call.callId)
        buttons.set(call.callId, entry)
        entry.update(call)
        setAttribute(
          entry.item.firstElementChild ?? entry.item,
          'aria-current',
          call.callId === model.shown ? 'true' : null,
        )
        if (list.children[index] !== entry.item) list.insertBefore(entry.item, list.children[index] ?? null)
      })
      setText(more, calls.length > LISTED_MAX ? `and ${calls.length - LISTED_MAX} more` : '')
    },
  }
}

export function partyOf(call: CallView): string {
  return call.from === '' ? 'Unknown number' : call.from
}

/** 4:05, or 1:02:09. */
export function durationInWords(durationMs: number): string {
  const all = Math.max(0, Math.floor(durationMs / 1_000))
  const two = (value: number) => String(value).padStart(2, '0')
  const hours = Math.floor(all / 3_600)
  const minutes = Math.floor(all / 60) % 60
  return hours > 0 ? `${hours}:${two(minutes)}:${two(all % 60)}` : `${minutes}:${two(all % 60)}`
}

function inList(call: CallView): string {
  if (call.payment === null) return STATES[call.state]
  return `${STATES[call.state]} · ${guidanceInList(call)}`
}

function guidanceInList(call: CallView): string {
  switch (guidance(call).tone) {
    case 'ready':
      return 'no card'
    case 'wait':
    case 'ask':
    case 'fix':
      return 'taking card'
    case 'done':
      return 'card stored'
    case 'failed':
      return 'card not stored'
  }
}
