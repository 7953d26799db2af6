import { resolve } from 'node:path'
import type { Configuration } from '../wire/configuration.ts'
import { openOperatorLink } from './operator-link.ts'

/** New processes may have to start. */
const RELOAD_MS_MAX = 70_000

export type ReloadCommand = {
  readonly kind: 'reload'
  /** Says where the site is. */
  readonly configurationFile: string
  /** What the site is to take; null: its own file, as it is now. */
  readonly file: string | null
}

/** `tonewall reload`: the running site takes a configuration without dropping a call. Resolves to the exit code. */
export async function runReloadCommand(
  command: ReloadCommand,
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
    const file = command.file === null ? null : resolve(command.file)
    const answer = await channel.request({ type: 'site.reload', file }, { deadlineMs: RELOAD_MS_MAX })
    if (answer.kind !== 'reply') {
      say('The site did not answer. Look at its log, and whether it has taken the configuration.')
      return 1
    }
    const { message } = answer
    if (message.type === 'site.reloaded') {
      say(
        message.keys.length === 0
          ? 'Nothing differs from what the site runs with.'
          : `Taken: ${message.keys.join(', ')}.`,
      )
      return 0
    }
    if (message.type !== 'site.refused') say('The sbc answered something else. Is it of the same version?')
    else if (message.code === 'busy') say('Another reload is under way. Try again in a moment.')
    else if (message.code === 'not_operator') say('The sbc takes this from operators only.')
    else for (const text of [...message.texts, 'Nothing was changed.']) say(text)
    return 1
  } finally {
    channel.close()
  }
}
