import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { API_SHAPES } from './api-shape.ts'
import { maySee, type Authentication } from './authentication.ts'
import type { CallBook } from './call-book.ts'
import type { EventStreams } from './event-stream.ts'
import { ProblemError } from './problem.ts'
import { problemAnswers } from './route-schema.ts'
import type { Sessions } from './session.ts'

/** Longer is no id of ours; such a reader gets a snapshot. */
const EVENT_ID_CHARS_MAX = 64

const STREAM_ANSWERS = {
  200: {
    description:
      'Server-sent events with ids: snapshot {sbc, synced, nowMs, calls}, call {the call as it now is}, gone {callId}, ' +
      'sbc {sbc}. Send Last-Event-ID to go on without a gap; what cannot be resumed starts with a snapshot.',
    content: { 'text/event-stream': { schema: { type: 'string' } } },
  },
  ...problemAnswers('token_refused', 'unknown_call', 'too_many_streams'),
}
const STREAM_HEADERS = { type: 'object', properties: { 'last-event-id': { type: 'string' } } }

/** The event streams: all calls of the agent, or one call. */
export function addEventRoutes(
  server: FastifyInstance,
  options: {
    readonly authentication: Authentication
    readonly sessions: Sessions
    readonly book: CallBook
    readonly streams: EventStreams
  },
): void {
  const { authentication, sessions, book, streams } = options

  const open = (request: FastifyRequest, reply: FastifyReply, callId: string | null): void => {
    const { agent, session } = authentication.callerOf(request)
    if (!streams.hasRoomFor(agent.name)) throw new ProblemError('too_many_streams')
    const given = request.headers['last-event-id']
    const lastEventId = typeof given === 'string' && given.length <= EVENT_ID_CHARS_MAX ? given : null
    reply.hijack()
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value)
    }
    streams.open(
      {
        name: agent.name,
        agent: agent.role === 'all' ? null : agent.name,
        callId,
        isGood: () => session === null || sessions.isGood(session),
      },
      reply.raw,
      lastEventId,
    )
  }

  server.get(
    '/events',
    {
      schema: {
        summary: 'Watch all calls of this agent',
        tags: ['events'],
        headers: STREAM_HEADERS,
        response: STREAM_ANSWERS,
      },
    },
    (request, reply) => open(request, reply, null),
  )

  server.get<{ Params: { readonly callId: string } }>(
    '/calls/:callId/events',
    {
      schema: {
        summary: 'Watch one call; the stream ends with the call',
        tags: ['events'],
        headers: STREAM_HEADERS,
        params: API_SHAPES.callPath,
        response: STREAM_ANSWERS,
      },
    },
    (request, reply) => {
      const call = book.get(request.params.callId)
      if (call === null || !maySee(authentication.callerOf(request).agent, call)) throw new ProblemError('unknown_call')
      open(request, reply, call.callId)
    },
  )
}
