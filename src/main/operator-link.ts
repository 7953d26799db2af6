import { connect } from 'node:net'
import { ChannelClient } from '../kit/channel.ts'
import { readIdentity, type Identity } from '../kit/identity.ts'
import type { Configuration } from '../wire/configuration.ts'
import { parseSbcToOperator, type OperatorToSbc, type SbcToOperator } from '../wire/operator-protocol.ts'

/** On one machine the answer comes at once; through a firewall that drops, never. */
const CONNECT_MS_MAX = 3_000
const PROBE_AFTER_MS = 400

export type OperatorClient = Pick<ChannelClient<OperatorToSbc, SbcToOperator>, 'request' | 'close'>
export type OperatorLink =
  | { readonly kind: 'open'; readonly client: OperatorClient }
  /** For people: what is wrong, and what to do. */
  | { readonly kind: 'failed'; readonly text: string }

/** Connects to the sbc that runs, with the operator's certificate. Whoever gets the client closes it. */
export async function openOperatorLink(
  configuration: Pick<Configuration, 'certificates' | 'sbc'>,
): Promise<OperatorLink> {
  const { folder, revoked } = configuration.certificates
  const { host, port } = configuration.sbc
  let identity: Identity
  try {
    identity = readIdentity({ folder, role: 'operator', revoked })
  } catch (error) {
    return failed(
      `The operator's certificate cannot be read (${codeOf(error)}). ca.crt, operator.crt and operator.key belong into ${folder}; ` +
        'in development `tonewall start` makes them.',
    )
  }
  let opened = (): void => undefined
  const isOpen = new Promise<boolean>((resolve) => {
    opened = () => resolve(true)
  })
  const client = new ChannelClient<OperatorToSbc, SbcToOperator>({
    host,
    port,
    identity,
    peer: 'sbc',
    parse: parseSbcToOperator,
    message: () => undefined,
    opened,
  })
  // Asked only when the connection takes long: a probe that says nothing looks like an attack in the sbc's log.
  const isQuick = await within(isOpen, PROBE_AFTER_MS)
  if (!isQuick && !(await isListening(host, port))) {
    client.close()
    return failed(`No sbc answers at ${host}:${port}. Start the site, or name its configuration with --config FILE.`)
  }
  const isConnected = isQuick || (await within(isOpen, CONNECT_MS_MAX))
  if (isConnected) return { kind: 'open', client }
  client.close()
  return failed(
    `${host}:${port} does not take the operator's certificate, or is no sbc. Both must be signed by the same authority: compare ca.crt in ${folder} with the sbc's.`,
  )
}

async function within(isOpen: Promise<boolean>, ms: number): Promise<boolean> {
  const timer = new AbortController()
  const result = await Promise.race([isOpen, wait(ms, timer.signal)])
  timer.abort()
  return result
}

/** Whether anybody takes connections there; TLS would hide the difference between nobody and a wrong certificate. */
export function isListening(host: string, port: number): Promise<boolean> {
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

/** Resolves to false after the time, or when it is not waited for any more. */
export function wait(ms: number, signal: AbortSignal): Promise<false> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve(false)
    })
    if (signal.aborted) {
      clearTimeout(timer)
      resolve(false)
    }
  })
}

function failed(text: string): OperatorLink {
  return { kind: 'failed', text }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown reason'
}
