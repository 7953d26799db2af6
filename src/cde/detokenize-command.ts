import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { roleName } from '../kit/identity.ts'
import type { Configuration } from '../wire/configuration.ts'

/** What is asked, of whom, and where the answer goes. */
export type DetokenizeOrder = {
  readonly token: string
  readonly purpose: string
  /** The client of vault.api.clients whose certificate is used. */
  readonly client: string
  /** null: that of the site's own calls. */
  readonly merchant: string | null
  /** Holds ca.crt, and certificate and key of the client; null: the folder of the configuration. */
  readonly certificates: string | null
  /** A file that is not there yet; null: standard output, which must be no terminal. */
  readonly to: string | null
}

const ANSWER_MS_MAX = 10_000
const ANSWER_BYTES_MAX = 4_096
const OWNER_ONLY = 0o600

/**
 * `tonewall vault detokenize`: the card goes, as the vault's JSON, into a file of its own or down a pipe, never to a terminal, which keeps what it
 * has shown. The bytes are overwritten here; no text is made of them. Resolves to the exit code.
 */
export async function runDetokenizeCommand(
  command: DetokenizeOrder,
  configuration: Configuration,
  options: {
    readonly say: (line: string) => void
    readonly output: { readonly fd: number; readonly isTerminal: boolean }
  },
): Promise<number> {
  const { say, output } = options
  const { api } = configuration.vault
  if (api === null) return failed(say, 'The vault has no API: write vault.api, with its clients.')
  if (command.to === null && output.isTerminal) {
    return failed(say, 'A card number does not belong on a terminal: name a file with --to, or send it down a pipe.')
  }
  let file: number | null = null
  try {
    // Opened before anything is asked: what is told and cannot be kept has been told for nothing.
    file = command.to === null ? output.fd : openSync(command.to, 'wx', OWNER_ONLY)
    const answer = await ask(command, configuration, api)
    try {
      if (answer.status === 200) {
        for (let sent = 0; sent < answer.body.length;) sent += writeSync(file, answer.body, sent)
        return 0
      }
    } finally {
      answer.body.fill(0)
    }
    if (command.to !== null) rmSync(command.to, { force: true })
    return failed(say, ['The vault refused:', String(answer.status) + '.', 'Its audit record says why.'].join(' '))
  } catch (error) {
    if (file !== null && command.to !== null) rmSync(command.to, { force: true })
    return failed(say, 'It did not work: ' + codeOf(error) + '.')
  } finally {
    if (file !== null && command.to !== null) closeSync(file)
  }
}

function ask(
  { token, purpose, client, merchant, certificates }: DetokenizeOrder,
  configuration: Configuration,
  api: { readonly host: string; readonly port: number },
): Promise<{ readonly status: number; readonly body: Buffer }> {
  const folder = certificates ?? configuration.certificates.folder
  const { revoked } = configuration.certificates
  const order = Buffer.from(JSON.stringify({ token, purpose }), 'utf8')
  const settings = {
    host: api.host,
    port: api.port,
    path: ['/v1/merchants', merchant ?? configuration.merchant, 'detokenizations'].join('/'),
    method: 'POST',
    agent: false,
    ca: readFileSync(join(folder, 'ca.crt')),
    cert: readFileSync(join(folder, client + '.detokenizer.crt')),
    key: readFileSync(join(folder, client + '.detokenizer.key')),
    ...(revoked == null ? {} : { crl: readFileSync(revoked) }),
    minVersion: 'TLSv1.3',
    servername: roleName('vault'),
    timeout: ANSWER_MS_MAX,
    headers: {
      'content-type': 'application/json',
      'content-length': order.length,
      'idempotency-key': randomBytes(16).toString('hex'),
    },
  } as const
  return new Promise((resolve, reject) => {
    const outgoing = request(settings, (incoming) => {
      const body = Buffer.from(new ArrayBuffer(ANSWER_BYTES_MAX))
      let bytes = 0
      incoming.on('error', reject)
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.copy(body, bytes)
        chunk.fill(0)
      })
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: body.subarray(0, bytes) }))
    })
    outgoing.on('timeout', () => outgoing.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    outgoing.on('error', reject)
    outgoing.end(order)
  })
}

function failed(say: (line: string) => void, line: string): 1 {
  say(line)
  return 1
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'UNKNOWN'
}
