import type { CallTrace } from '../wire/operator-protocol.ts'
import type { TracedMessage, WindowEvent } from '../wire/trace-protocol.ts'
import { summaryOf } from './message-summary.ts'

/** Columns between two of the three lines. */
const GAP = 34
const TIME_WIDTH = 13

/** One step of a ladder: a message of one side, or a change of the payment window. `key` tells it from all others. */
export type Step =
  | {
      readonly kind: 'message'
      readonly key: string
      readonly atMs: number
      readonly side: 'payer' | 'agent'
      readonly message: TracedMessage
    }
  | { readonly kind: 'window'; readonly key: string; readonly atMs: number; readonly event: WindowEvent }

/** The steps of a call in time. What cannot be told to be the agent's side is drawn at the payer's. */
export function stepsOf(trace: CallTrace): readonly Step[] {
  const agentLegs = new Set(trace.agentSipCallIds)
  const messages = trace.messages.map((message): Step => {
    const side = agentLegs.has(summaryOf(message.text).callId) ? 'agent' : 'payer'
    return { kind: 'message', key: `m${message.sequence}`, atMs: message.atMs, side, message }
  })
  const windows = trace.events.map((event, index): Step => ({
    kind: 'window',
    key: `w${index}`,
    atMs: event.atMs,
    event,
  }))
  // A message that came in the same millisecond as a change of the window was there first.
  return [...messages, ...windows].sort((one, other) => one.atMs - other.atMs)
}

/** The three who take part, above their lines; each side by the address that was spoken to first. */
export function ladderHead(trace: CallTrace, steps: readonly Step[]): readonly string[] {
  const peerOf = (side: 'payer' | 'agent'): string => {
    const step = steps.find((candidate) => candidate.kind === 'message' && candidate.side === side)
    return step?.kind === 'message' ? `${step.message.transport} ${step.message.remote}` : '-'
  }
  return [
    `call ${trace.callId ?? '-'}`,
    `payer's Call-ID ${trace.payerSipCallIds.join(', ') || '-'}`,
    `agent's Call-ID ${trace.agentSipCallIds.join(', ') || '-'}`,
    '',
    row('', centred('payer', 'tonewall', 'agent')),
    row('', centred(peerOf('payer'), '', peerOf('agent'))),
  ]
}

/** The lines of one step; `beginMs` is when the call began. */
export function ladderLines(step: Step, beginMs: number): readonly string[] {
  const time = `+${((step.atMs - beginMs) / 1_000).toFixed(3)}`
  if (step.kind === 'window') {
    const { state, outcome } = step.event
    const text = ` window ${state}${outcome === null ? '' : `: ${outcome}`} `
    return [row(time, `|${text.padStart(GAP - 1 + Math.ceil(text.length / 2), '=').padEnd(2 * GAP - 1, '=')}|`)]
  }
  const { direction } = step.message
  const summary = summaryOf(step.message.text)
  const fromTonewall = direction === 'sent'
  const pointsRight = (step.side === 'payer') !== fromTonewall
  const arrow = arrowOf(summary.title, pointsRight)
  const empty = ' '.repeat(GAP - 1)
  const cells = step.side === 'payer' ? [arrow, empty] : [empty, arrow]
  return [
    row(time, `|${cells.join('|')}|${summary.facts === '' ? '' : `  ${summary.facts}`}`),
    ...summary.details.map((detail) => row('', `|${inSide(detail, step.side)}|`)),
  ]
}

/** Below the arrow of its side, across the middle line where it is long. */
function inSide(detail: string, side: 'payer' | 'agent'): string {
  const width = 2 * GAP - 1
  return side === 'payer' ? ` ${detail}`.padEnd(width) : `${detail} `.padStart(width)
}

function arrowOf(title: string, pointsRight: boolean): string {
  const text = ` ${title.slice(0, GAP - 7)} `
  const left = Math.floor((GAP - 2 - text.length) / 2)
  const line = `${'-'.repeat(left)}${text}`.padEnd(GAP - 2, '-')
  return pointsRight ? `${line}>` : `<${line}`
}

function centred(left: string, middle: string, right: string): string {
  const width = 2 * GAP + 1
  const line = ' '.repeat(width + GAP).split('')
  const put = (text: string, at: number): void => {
    for (const [index, character] of text.split('').entries()) line[Math.max(0, at) + index] = character
  }
  put(left, 0)
  put(middle, GAP - Math.floor(middle.length / 2))
  put(right, 2 * GAP - Math.floor(right.length / 2))
  return line.join('')
}

function row(time: string, text: string): string {
  return `${time.padStart(TIME_WIDTH - 2)}  ${text}`.trimEnd()
}
