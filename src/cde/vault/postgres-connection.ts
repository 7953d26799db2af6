import { Client } from 'pg'
import { StoreFailure } from './store.ts'
import { integerOf, type Row } from './store-rows.ts'

/** A server on the same network answers in milliseconds; one that does not is left for the next. */
const CONNECT_MS_MAX = 1_000
/** One statement. A look-up by key takes microseconds; this is for a server that is ill. */
const STATEMENT_MS_MAX = 2_000
/** Waiting for another vault's commit, which takes milliseconds; less than a statement, so that the failure tells which it was. */
const LOCK_MS_MAX = 1_500
/** A vault that stopped in the middle of a transaction (a debugger, a paused machine) holds up the others no longer than this. */
const IDLE_IN_TRANSACTION_MS_MAX = 5_000
const KEEP_ALIVE_AFTER_MS = 2_000

/**
 * What the server is told for this session, whatever its own configuration says. A commit is told when it is on disk, and on the
 * synchronous standby's if there is one. The last two let the server notice that a vault is gone (PostgreSQL 14 and later).
 */
const SESSION = [
  '-c synchronous_commit=on',
  '-c default_transaction_isolation=read\\ committed',
  '-c search_path=public',
  '-c tcp_user_timeout=5000',
  '-c client_connection_check_interval=1000',
].join(' ')

export type PostgresOptions = {
  /** The first that takes writes is used: a server, and the standbys that may be promoted. A host with a slash is the folder of a socket. */
  readonly servers: readonly { readonly host: string; readonly port: number }[]
  readonly database: string
  readonly user: string
  /** Asked for at each connection, so that it can be changed; null: the certificate, or the socket's user, is proof enough. */
  readonly password: (() => string) | null
  /** PEM. The server's certificate must be of this authority and for its host's name; null: no TLS. */
  readonly tls: {
    readonly authority: Uint8Array
    readonly certificate: Uint8Array | null
    readonly key: Uint8Array | null
  } | null
}

/** Values go beside the text, never into it. A statement with a name is parsed by the server once. */
export type Statement = { readonly name?: string; readonly text: string; readonly values?: readonly unknown[] }
export type Answer = { readonly command: string; readonly count: number; readonly rows: readonly Row[] }

/**
 * A connection that opens when it is needed, and again after it was lost. What was under way when it is lost rejects; nothing is repeated
 * here. Statements are sent without waiting for the answer to those before them.
 */
export class PostgresConnection {
  readonly #options: PostgresOptions
  #opening: Promise<PostgresSession> | null = null
  #closed = false

  constructor(options: PostgresOptions) {
    this.#options = options
  }

  /** Rejects with StoreFailure when no server takes writes. */
  session(): Promise<PostgresSession> {
    if (this.#closed) return Promise.reject(new StoreFailure('CLOSED'))
    if (this.#opening !== null) return this.#opening
    const opening = this.#open()
    const forget = (): void => {
      if (this.#opening === opening) this.#opening = null
    }
    this.#opening = opening
    opening.then((session) => session.lost(forget), forget)
    return opening
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    const opening = this.#opening
    this.#opening = null
    if (opening === null) return
    await opening.then(
      (session) => session.close(),
      () => undefined,
    )
  }

  async #open(): Promise<PostgresSession> {
    let failure = new StoreFailure('NO_SERVER')
    for (const server of this.#options.servers) {
      try {
        return await openSession(server, this.#options)
      } catch (error) {
        failure = postgresFailure(error)
      }
    }
    throw failure
  }
}

async function openSession(
  server: PostgresOptions['servers'][number],
  options: PostgresOptions,
): Promise<PostgresSession> {
  const { password, tls } = options
  const client = new Client({
    ...server,
    database: options.database,
    user: options.user,
    password: () => {
      if (password === null) throw new StoreFailure('PASSWORD_MISSING')
      return password()
    },
    ssl: tls === null ? false : tlsOf(tls),
    options: SESSION,
    application_name: 'tonewall-vault',
    client_encoding: 'UTF8',
    connectionTimeoutMillis: CONNECT_MS_MAX,
    statement_timeout: STATEMENT_MS_MAX,
    lock_timeout: LOCK_MS_MAX,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS_MAX,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    pipeline: true,
  })
  const session = new PostgresSession(client)
  try {
    await session.within(CONNECT_MS_MAX + STATEMENT_MS_MAX, async () => {
      await client.connect()
      const { rows } = await session.query({ text: STATE_OF_SERVER })
      const [state] = rows
      if (state?.['read_only'] !== 'off') throw new StoreFailure('PG_READ_ONLY')
      if (state['fsync'] !== 'on') throw new StoreFailure('PG_FSYNC_OFF')
      if (state['synchronous_commit'] !== 'on') throw new StoreFailure('PG_COMMIT_NOT_DURABLE')
    })
    return session
  } catch (error) {
    session.destroy()
    throw postgresFailure(error)
  }
}

/** A standby is read-only; a server that does not sync loses what it said was committed. */
const STATE_OF_SERVER =
  "SELECT current_setting('transaction_read_only') AS read_only, current_setting('fsync') AS fsync," +
  " current_setting('synchronous_commit') AS synchronous_commit"

function tlsOf(tls: NonNullable<PostgresOptions['tls']>) {
  return {
    ca: Buffer.from(tls.authority),
    ...(tls.certificate === null ? {} : { cert: Buffer.from(tls.certificate) }),
    ...(tls.key === null ? {} : { key: Buffer.from(tls.key) }),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
  } as const
}

/** One connection while it lasts. */
export class PostgresSession {
  readonly #client: Client
  readonly #lost: (() => void)[] = []
  #isLost = false
  #warnings = 0

  constructor(client: Client) {
    this.#client = client
    // Without a listener, the loss of a connection would end the process.
    client.on('error', () => this.#end())
    client.on('end', () => this.#end())
    client.on('notice', (notice) => {
      if (notice.code?.startsWith('01') === true) this.#warnings += 1
    })
  }

  /**
   * Warnings of the server so far. One beside a COMMIT can mean that the wait for the synchronous standby was broken off: the row is on
   * one disk only.
   */
  get warnings(): number {
    return this.#warnings
  }

  /** Rejects with StoreFailure. */
  async query(statement: Statement): Promise<Answer> {
    const [answer] = await this.#ask(statement)
    if (answer === undefined) throw new StoreFailure('NO_ANSWER')
    return answer
  }

  /** An answer each: a text without values may hold several statements. */
  queries(statement: Statement): Promise<readonly Answer[]> {
    return this.#ask(statement)
  }

  /** Breaks the connection when the work takes longer; it is not known then what the server did. */
  async within<Result>(deadlineMs: number, work: () => Promise<Result>): Promise<Result> {
    const deadline = new AbortController()
    const timer = setTimeout(() => {
      deadline.abort()
      this.destroy()
    }, deadlineMs)
    try {
      return await work()
    } catch (error) {
      throw deadline.signal.aborted ? new StoreFailure('DEADLINE') : postgresFailure(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Calls back once it is lost, also when it is lost already. */
  lost(told: () => void): void {
    if (this.#isLost) told()
    else this.#lost.push(told)
  }

  destroy(): void {
    this.#client.connection.stream.destroy()
    this.#end()
  }

  /** Says goodbye, for at most a moment. */
  async close(): Promise<void> {
    await this.within(CONNECT_MS_MAX, () => this.#client.end()).catch(() => undefined)
    this.destroy()
  }

  async #ask(statement: Statement): Promise<readonly Answer[]> {
    if (this.#isLost) throw new StoreFailure('PG_CONNECTION')
    try {
      const { name, text, values } = statement
      const given: unknown = await this.#client.query({
        ...(name === undefined ? {} : { name }),
        text,
        ...(values === undefined ? {} : { values: [...values] }),
      })
      return (Array.isArray(given) ? given : [given]).map(answerOf)
    } catch (error) {
      throw postgresFailure(error)
    }
  }

  #end(): void {
    this.#isLost = true
    for (const told of this.#lost.splice(0)) told()
  }
}

function answerOf(given: unknown): Answer {
  const { command, rowCount, rows } = given as {
    readonly command: string
    readonly rowCount: number | null
    readonly rows: readonly Row[]
  }
  return { command, count: rowCount ?? 0, rows }
}

/** The one number of the one row. */
export function countOf(answer: Answer, column: string): number {
  return integerOf(answer.rows[0] ?? {}, column)
}

/** SQLSTATE, or the system's or TLS's own code, names the failure; texts could quote data. */
export function postgresFailure(error: unknown): StoreFailure {
  if (error instanceof StoreFailure) return error
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code !== 'string' || !/^[A-Z0-9_]{1,64}$/.test(code)) return new StoreFailure('PG_CONNECTION')
  return new StoreFailure(/^[A-Z0-9]{5}$/.test(code) && /\d/.test(code) ? 'PG_' + code : code)
}
