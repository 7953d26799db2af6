import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { integer, record, text } from '../wire/shape.ts'
import type { Agent, AgentDirectory } from './agent-directory.ts'

/** PCI DSS 8.2.8: after 15 minutes without input the user has to prove himself again. */
export const IDLE_MS_MAX = 900_000
/** A long shift: a session does not live longer, however busy. */
export const SESSION_MS_MAX = 43_200_000
/** Sessions remembered as renewed or ended; the oldest is forgotten first. */
const REMEMBERED_MAX = 10_000

const PREFIX = 'tws_'
const TOKEN_FORM = /^tws_([A-Za-z0-9_-]{1,400})\.([A-Za-z0-9_-]{43})$/
const SESSION_ID_BYTES = 9
const seconds = integer(0, 4_294_967_295)
const isClaim = record({
  name: text(/^[\x20-\x7e]{1,64}$/),
  id: text(/^[A-Za-z0-9_-]{12}$/),
  startedS: seconds,
  activeS: seconds,
})

export type Session = {
  readonly agent: Agent
  readonly id: string
  readonly startedAtMs: number
  readonly activeAtMs: number
}

/**
 * Page sessions. The session's token carries its own facts, signed (HMAC-SHA-256) with a key that comes from the agent's
 * token, so that sessions outlive a restart of the desk and can be read by every desk of the same configuration. Here is
 * only what a token cannot carry: a later renewal, for streams that stay open, and a sign-out.
 */
export class Sessions {
  readonly #directory: AgentDirectory
  readonly #now: () => number
  /** By session id: until when it is good; 0 after a sign-out. */
  readonly #goodUntilMs = new Map<string, number>()

  constructor(options: { readonly directory: AgentDirectory; readonly now: () => number }) {
    this.#directory = options.directory
    this.#now = options.now
  }

  /** True for what looks like a session's token and not like an agent's. */
  static isSessionToken(token: string): boolean {
    return token.startsWith(PREFIX)
  }

  start(agent: Agent): string {
    const nowMs = this.#now()
    const id = randomBytes(SESSION_ID_BYTES).toString('base64url')
    return this.#issue({ agent, id, startedAtMs: nowMs, activeAtMs: nowMs })
  }

  /** A token that is good for another 15 minutes. The old one is good until its own end. */
  renew(session: Session): string {
    return this.#issue({ ...session, activeAtMs: this.#now() })
  }

  /** Signs out: no token of this session is taken any more, and its streams end. */
  end(session: Session): void {
    this.#remember(session.id, 0)
  }

  /** The session of a token, or null when it is forged, idle too long, too old or signed out. */
  check(token: string): Session | null {
    const [, encoded, given] = TOKEN_FORM.exec(token) ?? []
    if (encoded === undefined || given === undefined) return null
    const claim = decode(encoded)
    const known = claim === null ? null : this.#directory.byName(claim.name)
    if (claim === null || known === null) return null
    if (!timingSafeEqual(Buffer.from(given, 'base64url'), sign(encoded, known.sessionKey))) return null
    const session = {
      agent: known.agent,
      id: claim.id,
      startedAtMs: claim.startedS * 1_000,
      activeAtMs: claim.activeS * 1_000,
    }
    const nowMs = this.#now()
    const ended = this.#goodUntilMs.get(session.id) === 0
    return ended || nowMs > ownEndMs(session) ? null : session
  }

  /** Whether a stream that was opened with this session may go on: it may have been renewed since. */
  isGood(session: Session): boolean {
    const until = this.#goodUntilMs.get(session.id)
    return until !== 0 && this.#now() <= Math.max(ownEndMs(session), until ?? 0)
  }

  #issue(session: Session): string {
    this.#remember(session.id, ownEndMs(session))
    const claim = {
      name: session.agent.name,
      id: session.id,
      startedS: Math.floor(session.startedAtMs / 1_000),
      activeS: Math.floor(session.activeAtMs / 1_000),
    }
    const encoded = Buffer.from(JSON.stringify(claim)).toString('base64url')
    const known = this.#directory.byName(session.agent.name)
    const signature = known === null ? Buffer.alloc(0) : sign(encoded, known.sessionKey)
    return `${PREFIX}${encoded}.${signature.toString('base64url')}`
  }

  #remember(id: string, untilMs: number): void {
    this.#goodUntilMs.delete(id)
    this.#goodUntilMs.set(id, untilMs)
    const [oldest] = this.#goodUntilMs.keys()
    if (this.#goodUntilMs.size > REMEMBERED_MAX && oldest !== undefined) this.#goodUntilMs.delete(oldest)
  }
}

function ownEndMs(session: Session): number {
  return Math.min(session.activeAtMs + IDLE_MS_MAX, session.startedAtMs + SESSION_MS_MAX)
}

function sign(encoded: string, key: Buffer): Buffer {
  return createHmac('sha256', key).update(encoded).digest()
}

function decode(encoded: string) {
  try {
    const claim: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'))
    return isClaim(claim) ? claim : null
  } catch {
    return null
  }
}
