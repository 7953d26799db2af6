import { setTimeout as delay } from 'node:timers/promises'
import type { Configuration } from '../wire/configuration.ts'
import type { SiteReply } from '../wire/site-protocol.ts'
import { isListening, openOperatorLink, type OperatorClient } from './operator-link.ts'

/** How often it is asked how many calls are left; a line is written when that changed. */
const LOOK_EVERY_MS = 500
const ANSWER_MS_MAX = 3_000
/** An sbc that is only started again listens by then. */
const BACK_MS_MAX = 8_000
/** Nobody listens any more: a restart would be over by then on a machine that is not overloaded. */
const END_SEEN_MS = 3_000

export type DrainCommand = {
  readonly kind: 'drain'
  readonly configurationFile: string
  /** null: the calls may last as long as they like. */
  readonly seconds: number | null
  /** Takes calls again instead. */
  readonly undo: boolean
}

type State = Extract<SiteReply, { readonly type: 'site.state' }>

/**
 * `tonewall drain`: the site takes no new calls, and ends when the last one has ended. Resolves to the exit code: 0 when the
 * site has ended, or takes calls again with --undo. The order stands when this command is broken off.
 */
export async function runDrainCommand(
  command: DrainCommand,
  configuration: Configuration,
  say: (line: string) => void,
): Promise<number> {
  const opened = await openOperatorLink(configuration)
  if (opened.kind === 'failed') {
    say(opened.text)
    return 1
  }
  const { client: channel } = opened
  try {
    const state = await order(channel, command)
    if (state === null) {
      say('The sbc did not take the order. Look at its log: is it of the same version?')
      return 1
    }
    if (command.undo) {
      say(`The site takes calls again; ${count(state.calls, 'call')} went on meanwhile.`)
      return 0
    }
    say(
      'No new calls are taken: callers get 503 with Retry-After, health checks by OPTIONS 503; emergency calls still pass.',
    )
    return await follow(channel, { configuration, state, say })
  } finally {
    channel.close()
  }
}

async function follow(
  channel: OperatorClient,
  told: { readonly configuration: Configuration; readonly state: State; readonly say: (line: string) => void },
): Promise<number> {
  const { say } = told
  const { host, port } = told.configuration.sbc
  let said = ''
  let state: State | null = told.state
  let missedMs: number | null = null
  for (;;) {
    if (state !== null) {
      missedMs = null
      // Somebody else took the order back. An sbc that was started again has lost it, and its calls with it.
      if (!state.draining) {
        say('The site takes calls again: somebody undid the order, or the sbc was started again.')
        return 1
      }
      const line = progress(state)
      if (line !== said) say(line)
      said = line
    } else {
      missedMs ??= performance.now()
      if (!(await isListening(host, port)) && performance.now() - missedMs > END_SEEN_MS) {
        say('The site has ended.')
        return 0
      }
      if (performance.now() - missedMs > BACK_MS_MAX) {
        say('The sbc does not answer any more. Look at its log.')
        return 1
      }
    }
    await delay(LOOK_EVERY_MS)
    state = await look(channel)
  }
}

async function order(channel: OperatorClient, command: DrainCommand): Promise<State | null> {
  const message = { type: 'site.drain', on: !command.undo, seconds: command.seconds } as const
  const answer = await channel.request(message, { deadlineMs: ANSWER_MS_MAX })
  return answer.kind === 'reply' && answer.message.type === 'site.state' ? answer.message : null
}

async function look(channel: OperatorClient): Promise<State | null> {
  const answer = await channel.request({ type: 'site.look' }, { deadlineMs: ANSWER_MS_MAX })
  return answer.kind === 'reply' && answer.message.type === 'site.state' ? answer.message : null
}

function progress({ calls, ringing, secondsLeft }: State): string {
  const left = `${count(calls, 'call')} left${ringing > 0 ? `, ${ringing} ringing` : ''}`
  if (calls + ringing === 0) return 'No call is left; the site ends.'
  // Not every second is worth a line.
  return secondsLeft === null ? left : `${left}, to be ended in ${Math.ceil(secondsLeft / 10) * 10} s at the latest`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
