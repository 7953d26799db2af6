import type { Configuration } from '../wire/configuration.ts'
import type { CallTrace, OperatorRefusal } from '../wire/operator-protocol.ts'
import type { CommandOutput } from './calls-command.ts'
import { ladderHead, ladderLines, stepsOf } from './ladder.ts'
import { openOperatorLink, wait, type OperatorClient } from './operator-link.ts'

/** How often a followed call is asked for. */
const FOLLOW_EVERY_MS = 500
const ANSWER_MS_MAX = 4_000

export type TraceCommand = {
  readonly kind: 'trace'
  readonly configurationFile: string
  /** Our id of the call, or the SIP Call-ID of either leg. */
  readonly call: string
  /** The messages themselves and the events, as one JSON value; followed, one for each answer. */
  readonly json: boolean
  /** Goes on until the call has ended, or it is told to end. */
  readonly follow: boolean
}

/** `tonewall trace`: the SIP ladder of one call over both legs. Resolves to the exit code. */
export async function runTraceCommand(
  command: TraceCommand,
  configuration: Pick<Configuration, 'certificates' | 'sbc'> & { readonly sip: Pick<Configuration['sip'], 'server'> },
  output: CommandOutput,
  ending: AbortSignal,
): Promise<number> {
  if (configuration.sip.server === 'drachtio') {
    output.say(
      "A trace needs the embedded sipd: drachtio-server keeps no messages for us. Set sip.server to embedded, or use drachtio-server's own homer option.",
    )
    return 1
  }
  const link = await openOperatorLink(configuration)
  if (link.kind === 'failed') {
    output.say(link.text)
    return 1
  }
  try {
    const shown = new Set<string>()
    for (;;) {
      const trace = await askForTrace(link.client, command.call)
      if (typeof trace === 'string') {
        output.say(trace)
        return 1
      }
      if (command.json) output.write(`${JSON.stringify(trace)}\n`)
      else show(trace, shown, output)
      if (!command.follow || trace.isEnded || ending.aborted) return 0
      await wait(FOLLOW_EVERY_MS, ending)
    }
  } finally {
    link.client.close()
  }
}

/** Writes the steps that were not shown before. */
function show(trace: CallTrace, shown: Set<string>, output: CommandOutput): void {
  const steps = stepsOf(trace)
  if (shown.size === 0) for (const line of ladderHead(trace, steps)) output.write(`${line}\n`)
  const beginMs = steps[0]?.atMs ?? 0
  for (const step of steps.filter(({ key }) => !shown.has(key))) {
    shown.add(step.key)
    for (const line of ladderLines(step, beginMs)) output.write(`${line}\n`)
  }
}

async function askForTrace(client: OperatorClient, call: string): Promise<CallTrace | string> {
  const answer = await client.request({ type: 'call.trace', call }, { deadlineMs: ANSWER_MS_MAX })
  if (answer.kind !== 'reply') return 'The sbc does not answer. Look at its log, and try again.'
  const { message } = answer
  if (message.type === 'call.trace.report') return message
  if (message.type === 'operator.refused') return REFUSALS[message.code]
  return 'The sbc answered something else. Is it of the same version?'
}

const REFUSALS: { readonly [Code in OperatorRefusal]: string } = {
  unknown_call:
    'Nobody knows this call: it ended more than a quarter of an hour ago, or never was. See `tonewall calls`.',
  no_sipd:
    'No embedded sipd is connected to the sbc. A trace needs it: an external drachtio-server keeps no messages for us.',
  no_answer: 'sipd does not answer the sbc. Look at its log, and try again.',
}
