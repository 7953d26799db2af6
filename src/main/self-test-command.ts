import { writeFileSync } from 'node:fs'
import type { Configuration } from '../wire/configuration.ts'
import type { SbcToOperator } from '../wire/operator-protocol.ts'
import type { SelfTestResult } from '../wire/self-test-protocol.ts'
import { openOperatorLink } from './operator-link.ts'
import { adviceOf, selfTestTable } from './self-test-table.ts'

/** A test takes four seconds, one that fails in every step fifteen. */
const TEST_MS_MAX = 20_000

export type SelfTestCommand = {
  readonly kind: 'selftest'
  readonly configurationFile: string
  /** null: every guard. */
  readonly guard: string | null
  /** Where the results go as JSON; '-' is standard output, null nowhere. */
  readonly json: string | null
}

type Outcome =
  | { readonly kind: 'tested'; readonly results: readonly SelfTestResult[] }
  | { readonly kind: 'failed'; readonly text: string }

/** `tonewall selftest`: has the sbc that runs test its guards now. Resolves to the exit code: 0 only if all passed. */
export async function runSelfTestCommand(
  command: SelfTestCommand,
  configuration: Configuration,
  output: { readonly say: (line: string) => void; readonly write: (text: string) => void },
): Promise<number> {
  const outcome = await askForTests(command, configuration)
  if (outcome.kind === 'failed') {
    output.say(outcome.text)
    return 1
  }
  const { results } = outcome
  const ok = results.length > 0 && results.every(({ code }) => code === 'ok')
  for (const line of selfTestTable(results)) output.say(line)
  for (const result of results) for (const line of adviceOf(result)) output.say(line)
  if (results.length === 0) output.say('There is no guard to test.')
  if (command.json !== null) {
    const text = `${JSON.stringify({ ok, results }, null, 2)}\n`
    if (command.json === '-') output.write(text)
    else {
      try {
        writeFileSync(command.json, text)
      } catch (error) {
        output.say(`${command.json} cannot be written: ${codeOf(error)}`)
        return 1
      }
    }
  }
  return ok ? 0 : 1
}

async function askForTests(command: SelfTestCommand, configuration: Configuration): Promise<Outcome> {
  const link = await openOperatorLink(configuration)
  if (link.kind === 'failed') return link
  const { client } = link
  try {
    const count = command.guard === null ? Math.max(configuration.guards.length, 1) : 1
    const answer = await client.request(
      { type: 'selftest.run', guard: command.guard },
      { deadlineMs: count * TEST_MS_MAX },
    )
    if (answer.kind === 'closed') return failed('The sbc ended while it tested. Look at its log, and try again.')
    if (answer.kind === 'timeout') return failed('The sbc did not answer in time. Look at its log, and try again.')
    if (answer.message.type === 'selftest.report') return { kind: 'tested', results: answer.message.results }
    return failed(refusal(answer.message, command.guard, configuration))
  } finally {
    client.close()
  }
}

function refusal(message: SbcToOperator, guard: string | null, configuration: Configuration): string {
  if (message.type !== 'selftest.refused') return 'The sbc answered something else. Is it of the same version?'
  switch (message.code) {
    case 'unknown_guard':
      return `The sbc has no guard ${guard ?? ''}. It is one of: ${configuration.guards.map(({ name }) => name).join(', ')}.`
    case 'not_operator':
      return 'The sbc takes this from operators only.'
    case 'busy':
      return 'Somebody else is having the guards tested now. Try again in a moment.'
  }
}

function failed(text: string): Outcome {
  return { kind: 'failed', text }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown reason'
}
