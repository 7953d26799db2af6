import type { Configuration } from '../wire/configuration.ts'
import type { LiveCall } from '../wire/operator-protocol.ts'
import { openOperatorLink, wait, type OperatorClient } from './operator-link.ts'
import { textTable } from './text-table.ts'

/** How often a watched table is drawn anew. */
const WATCH_EVERY_MS = 1_000
const ANSWER_MS_MAX = 3_000
/** Homes the cursor and clears what is below (ECMA-48). */
const HOME = '\u001b[H\u001b[J'

export type CallsCommand = {
  readonly kind: 'calls'
  readonly configurationFile: string
  readonly json: boolean
  /** Goes on until it is told to end. */
  readonly watch: boolean
}

export type CommandOutput = {
  readonly say: (line: string) => void
  readonly write: (text: string) => void
  /** A terminal is drawn on; a file or pipe gets line after line. */
  readonly isTerminal: boolean
}

/** `tonewall calls`: who is talking. Resolves to the exit code. */
export async function runCallsCommand(
  command: CallsCommand,
  configuration: Pick<Configuration, 'certificates' | 'sbc'>,
  output: CommandOutput,
  ending: AbortSignal,
): Promise<number> {
  const link = await openOperatorLink(configuration)
  if (link.kind === 'failed') {
    output.say(link.text)
    return 1
  }
  try {
    for (;;) {
      const calls = await liveCalls(link.client)
      if (typeof calls === 'string' && !command.watch) {
        output.say(calls)
        return 1
      }
      const isDrawn = command.watch && output.isTerminal && !command.json
      if (typeof calls === 'string') output.say(calls)
      else if (command.json) output.write(`${JSON.stringify(calls)}\n`)
      else output.write(`${isDrawn ? HOME : ''}${callsTable(calls, Date.now()).join('\n')}\n`)
      if (!command.watch) return 0
      await wait(WATCH_EVERY_MS, ending)
      if (ending.aborted) return 0
    }
  } finally {
    link.client.close()
  }
}

/** All pages; a text for people when the sbc does not answer. */
async function liveCalls(client: OperatorClient): Promise<readonly LiveCall[] | string> {
  const calls: LiveCall[] = []
  for (;;) {
    const answer = await client.request({ type: 'calls.list', skip: calls.length }, { deadlineMs: ANSWER_MS_MAX })
    if (answer.kind !== 'reply') return 'The sbc does not answer. Look at its log, and try again.'
    if (answer.message.type !== 'calls.report') return 'The sbc answered something else. Is it of the same version?'
    calls.push(...answer.message.calls)
    if (answer.message.calls.length === 0 || calls.length >= answer.message.total) return calls
  }
}

/** `nowMs` is the date that durations are counted to. */
export function callsTable(calls: readonly LiveCall[], nowMs: number): readonly string[] {
  const rows = calls.map((call) => [
    call.callId ?? call.sipCallId,
    call.from,
    call.to,
    call.agent ?? '-',
    call.direction === 'inbound'
      ? `${call.payerTrunk ?? '?'} > ${call.agentTrunk ?? '?'}`
      : `${call.agentTrunk ?? '?'} > ${call.payerTrunk ?? '?'}`,
    call.state,
    duration(nowMs - (call.answeredAtMs ?? call.startedAtMs)),
    call.window ?? '-',
    call.rtpengine ?? '-',
    call.payerCodec === call.agentCodec ? call.payerCodec : `${call.payerCodec}/${call.agentCodec}`,
  ])
  const head = ['CALL', 'FROM', 'TO', 'AGENT', 'TRUNKS', 'STATE', 'TIME', 'WINDOW', 'RTPENGINE', 'CODEC']
  return [...textTable([head, ...rows]), `${calls.length} ${calls.length === 1 ? 'call' : 'calls'}`]
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000))
  const two = (value: number): string => String(value).padStart(2, '0')
  const hours = Math.floor(seconds / 3_600)
  return `${hours > 0 ? `${hours}:` : ''}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}
