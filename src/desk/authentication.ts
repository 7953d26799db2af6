import type { FastifyRequest } from 'fastify'
import type { CallView } from '../wire/call-protocol.ts'
import type { Agent, AgentDirectory } from './agent-directory.ts'
import type { LoginLimit } from './login-limit.ts'
import { ProblemError } from './problem.ts'
import { Sessions, type Session } from './session.ts'

/** Who sent a request: an agent by its own token (systems), or a page by its session. */
export type Caller = { readonly agent: Agent; readonly session: Session | null }

/** RFC 6750 section 2.1; the scheme's name has no case (RFC 9110 section 11.1). */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]{1,512}=*)$/i

/** Finds out who asks, before anything else of a request is looked at. */
export class Authentication {
  readonly #directory: AgentDirectory
  readonly #sessions: Sessions
  readonly #limit: LoginLimit
  readonly #refused: () => void
  readonly #callers = new WeakMap<FastifyRequest, Caller>()

  constructor(options: {
    readonly directory: AgentDirectory
    readonly sessions: Sessions
    readonly limit: LoginLimit
    readonly refused: () => void
  }) {
    this.#directory = options.directory
    this.#sessions = options.sessions
    this.#limit = options.limit
    this.#refused = options.refused
  }

  /** Throws the ProblemError to answer with when the request proves nobody. */
  identify(request: FastifyRequest): void {
    const [, token] = BEARER.exec(request.headers.authorization ?? '') ?? []
    if (token === undefined) throw new ProblemError('token_missing')
    if (Sessions.isSessionToken(token)) {
      const session = this.#sessions.check(token)
      if (session === null) throw new ProblemError('session_ended')
      this.#callers.set(request, { agent: session.agent, session })
      return
    }
    const waitS = this.#limit.waitS(request.ip)
    const agent = this.#directory.byToken(token)
    const isKnown = agent !== null && this.#limit.knows(request.ip, agent.name)
    if (waitS > 0 && !isKnown) throw new ProblemError('too_many_logins', { retryAfterS: waitS })
    if (agent === null) {
      this.#limit.refused(request.ip)
      this.#refused()
      throw new ProblemError('token_refused')
    }
    this.#limit.proved(request.ip, agent.name)
    this.#callers.set(request, { agent, session: null })
  }

  /** Throws token_missing for a request that was never identified, so that a forgotten hook lets nobody in. */
  callerOf(request: FastifyRequest): Caller {
    const caller = this.#callers.get(request)
    if (caller === undefined) throw new ProblemError('token_missing')
    return caller
  }
}

/** An agent sees only its own calls. */
export function maySee(agent: Agent, call: CallView): boolean {
  return agent.role === 'all' || call.agent === agent.name
}
