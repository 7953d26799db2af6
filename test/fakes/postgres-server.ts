import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { freePort } from './free-port.ts'

const run = promisify(execFile)

/** initdb and a start take three seconds; tests run beside others. */
const START_MS_MAX = 40_000
/** PostgreSQL refuses to run as root; this is who owns nothing. */
const NOBODY = 65_534
/** Where Debian keeps what is not for PATH. */
const LIBRARY = '/usr/lib/postgresql'
/** It is ready within a page of lines. */
const READY_CHARS_MAX = 100_000
/** Of the server's log: all that a test makes it write. */
const LOG_CHARS_MAX = 8_000_000

/** A real PostgreSQL in a folder of its own, on loopback and a socket of its own, ended by its process id. */
export class PostgresServer {
  readonly port: number
  /** Data below `data`, the socket in the folder itself. */
  readonly folder: string
  readonly #settings: readonly string[]
  #process: ChildProcess | null = null
  #log = ''

  private constructor(folder: string, port: number, settings: readonly string[]) {
    this.folder = folder
    this.port = port
    this.#settings = settings
  }

  /** An empty server. Its superuser is `postgres`, by the socket only; others prove themselves by password over TCP. */
  static async start(settings: readonly string[] = []): Promise<PostgresServer> {
    const folder = newFolder()
    const data = join(folder, 'data')
    const options = ['--no-sync', '--auth=trust', '--username=postgres', '--encoding=UTF8', '--locale=C']
    await run(program('initdb'), [...options, data], asNobody())
    writeFileSync(
      join(data, 'pg_hba.conf'),
      ['local all,replication all trust', 'host all all 127.0.0.1/32 scram-sha-256', ''].join('\n'),
    )
    const server = new PostgresServer(folder, await freePort(), settings)
    await server.restart()
    return server
  }

  /** A copy that follows this server's log, and can be asked only. */
  async standby(): Promise<PostgresServer> {
    const folder = newFolder()
    const source = ['-h', this.folder, '-p', String(this.port), '-U', 'postgres']
    const options = ['-D', join(folder, 'data'), '-R', '-X', 'stream', '-c', 'fast', '--no-sync']
    await run(program('pg_basebackup'), [...source, ...options], asNobody())
    const server = new PostgresServer(folder, await freePort(), this.#settings)
    await server.restart()
    return server
  }

  /** Starts it again. The children of a server that was killed hold its memory for a moment longer. */
  async restart(): Promise<void> {
    const untilMs = performance.now() + START_MS_MAX
    while (!(await this.#start())) {
      if (performance.now() > untilMs) throw new Error('PostgreSQL did not start')
      await delay(50)
    }
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** From standby to server. */
  async promote(): Promise<void> {
    await this.sql('SELECT pg_promote(true, 30)')
  }

  /** From here on, TCP is taken under TLS only, and from clients with a certificate of `authority`. */
  async demandTls(tls: {
    readonly certificate: Uint8Array
    readonly key: Uint8Array
    readonly authority: Uint8Array
  }): Promise<void> {
    for (const [name, pem] of Object.entries(tls)) {
      const file = join(this.folder, `${name}.pem`)
      writeFileSync(file, pem, { mode: 0o600 })
      if (process.getuid?.() === 0) chownSync(file, NOBODY, NOBODY)
    }
    writeFileSync(
      join(this.folder, 'data', 'pg_hba.conf'),
      ['local all all trust', 'hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca', ''].join('\n'),
    )
    await this.sql(`ALTER SYSTEM SET ssl_cert_file = '${join(this.folder, 'certificate.pem')}'`)
    await this.sql(`ALTER SYSTEM SET ssl_key_file = '${join(this.folder, 'key.pem')}'`)
    await this.sql(`ALTER SYSTEM SET ssl_ca_file = '${join(this.folder, 'authority.pem')}'`)
    await this.sql('ALTER SYSTEM SET ssl = on')
    await this.kill()
    await this.restart()
  }

  /** As the superuser, in `database`. Returns the rows of the last statement. */
  async sql(text: string, database = 'postgres'): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const client = new Client({ host: this.folder, port: this.port, user: 'postgres', database, ssl: false })
    await client.connect()
    try {
      const given: unknown = await client.query(text)
      const last: unknown = Array.isArray(given) ? given.at(-1) : given
      return (last as { readonly rows: readonly Readonly<Record<string, unknown>>[] }).rows
    } finally {
      await client.end()
    }
  }

  /** What it wrote to its log. */
  get log(): string {
    return this.#log
  }

  /** The ids of its processes: the first, and one for each session and duty. */
  processes(): readonly number[] {
    const first = this.#process?.pid
    if (first === undefined) return []
    const children = readFileSync(`/proc/${first}/task/${first}/children`, 'latin1').trim()
    return [first, ...children.split(' ').map(Number)]
  }

  /** Ends it, and removes what it kept. Safe to call twice. */
  async close(): Promise<void> {
    await this.#end('SIGQUIT')
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #start(): Promise<boolean> {
    const settings = [...this.#settings, 'max_wal_senders=4', 'listen_addresses=127.0.0.1', `port=${this.port}`]
    const given = ['-D', join(this.folder, 'data'), '-k', this.folder, ...settings.flatMap((one) => ['-c', one])]
    const child = spawn(program('postgres'), given, { ...asNobody(), stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = child
    let text = ''
    const isReady = await new Promise<boolean>((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        this.#log = (this.#log + chunk).slice(-LOG_CHARS_MAX)
        if (text.length < READY_CHARS_MAX) text += chunk
        if (/database system is ready to accept (read-only )?connections/.test(text)) resolve(true)
      })
      child.stderr.once('close', () => resolve(false))
    })
    if (!isReady) this.#process = null
    return isReady
  }

  async #end(signal: 'SIGKILL' | 'SIGQUIT'): Promise<void> {
    const child = this.#process
    this.#process = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-postgres-'))
  if (process.getuid?.() === 0) chownSync(folder, NOBODY, NOBODY)
  return folder
}

function asNobody(): { readonly cwd: string; readonly uid?: number; readonly gid?: number } {
  return process.getuid?.() === 0 ? { cwd: '/', uid: NOBODY, gid: NOBODY } : { cwd: '/' }
}

/** Of the newest version that is installed. */
function program(name: string): string {
  const [newest] = readdirSync(LIBRARY).toSorted((one, other) => Number(other) - Number(one))
  if (newest === undefined) throw new Error('PostgreSQL is not installed')
  return join(LIBRARY, newest, 'bin', name)
}
