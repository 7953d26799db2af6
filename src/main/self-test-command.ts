import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { ChannelClient } from '../kit/channel.ts'
import { readIdentity, type Identity } from '../kit/identity.ts'
import { parseSbcToDesk, type DeskToSbc, type SbcToDesk } from '../wire/call-protocol.ts'
import type { Configuration } from '../wire/configuration.ts'
import type { SelfTestResult } from '../wire/self-test-protocol.ts'
import { adviceOf, selfTestTable } from './self-test-table.ts'

/** On one machine the answer comes at once; through a firewall that drops, never. */
const CONNECT_MS_MAX = 3_000
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
  const { folder } = configuration.certificates
  const { host, port } = configuration.sbc
  let identity: Identity
  try {
    identity = readIdentity({ folder, role: 'operator' })
  } catch (error) {
    return failed(
      `The operator's certificate cannot be read (${codeOf(error)}). ca.crt, operator.crt and operator.key belong into ${folder}; ` +
        'in development `tonewall start` makes them.',
    )
  }
  if (!(await isListening(host, port))) {
    return failed(`No sbc answers at ${host}:${port}. Start the site, or name its configuration with --config FILE.`)
  }
  let opened = (): void => undefined
  const isOpen = new Promise<boolean>((resolve) => {
    opened = () => resolve(true)
  })
  const client = new ChannelClient<DeskToSbc, SbcToDesk>({
    host,
    port,
    identity,
    peer: 'sbc',
    parse: parseSbcToDesk,
    message: () => undefined,
    opened,
  })
  try {
    const timer = new AbortController()
    const tooLate = wait(CONNECT_MS_MAX, timer.signal)
    const isConnected = await Promise.race([isOpen, tooLate])
    timer.abort()
    if (!isConnected) {
      return failed(
        `${host}:${port} does not take the operator's certificate, or is no sbc. Both must be signed by the same authority: compare ca.crt in ${folder} with the sbc's.`,
      )
    }
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

function refusal(message: SbcToDesk, guard: string | null, configuration: Configuration): string {
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

/** Whether anybody takes connections there; TLS would hide the difference between nobody and a wrong certificate. */
function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS_MAX })
    const done = (listens: boolean) => () => {
      socket.destroy()
      resolve(listens)
    }
    socket.once('connect', done(true))
    socket.once('timeout', done(false))
    socket.once('error', done(false))
  })
}

function wait(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve(false)
    })
  })
}

function failed(text: string): Outcome {
  return { kind: 'failed', text }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown reason'
}
