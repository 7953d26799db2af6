import type { FastifyInstance } from 'fastify'
import { API_SHAPES } from './api-shape.ts'
import type { Agent } from './agent-directory.ts'
import type { Authentication } from './authentication.ts'
import { ProblemError } from './problem.ts'
import { problemAnswers } from './route-schema.ts'
import { IDLE_MS_MAX, type Sessions } from './session.ts'

/** Page sessions: a page trades the agent's token for one that ends by itself (PCI DSS 8.2.8). */
export function addSessionRoutes(
  server: FastifyInstance,
  options: { readonly authentication: Authentication; readonly sessions: Sessions },
): void {
  const { authentication, sessions } = options
  const answer = (agent: Agent, token: string) => ({ token, agent: agent.name, role: agent.role, idleMs: IDLE_MS_MAX })
  const response = { 200: API_SHAPES.session, ...problemAnswers('token_refused', 'session_only', 'too_many_logins') }

  server.post(
    '/session',
    { schema: { summary: 'Open a page session with the token of an agent', tags: ['session'], response } },
    (request) => {
      const { agent, session } = authentication.callerOf(request)
      // A session cannot make another one, or it would never end.
      if (session !== null) throw new ProblemError('not_permitted')
      return answer(agent, sessions.start(agent))
    },
  )

  server.post(
    '/session/renewal',
    { schema: { summary: 'There was input on the page: go on for another 15 minutes', tags: ['session'], response } },
    (request) => {
      const { agent, session } = authentication.callerOf(request)
      if (session === null) throw new ProblemError('session_only')
      return answer(agent, sessions.renew(session))
    },
  )

  server.delete(
    '/session',
    {
      schema: {
        summary: 'Sign out',
        tags: ['session'],
        response: { 204: { type: 'null' }, ...problemAnswers('token_refused', 'session_only') },
      },
    },
    async (request, reply) => {
      const { session } = authentication.callerOf(request)
      if (session === null) throw new ProblemError('session_only')
      sessions.end(session)
      return reply.code(204).send()
    },
  )
}
