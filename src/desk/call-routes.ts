import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Logger } from '../kit/log.ts'
import type { CallView } from '../wire/call-protocol.ts'
import type { FieldName, Masking } from '../wire/window-progress.ts'
import { API_SHAPES } from './api-shape.ts'
import { maySee, type Authentication } from './authentication.ts'
import type { CallBook } from './call-book.ts'
import type { DeskMetrics } from './desk-metrics.ts'
import { ProblemError } from './problem.ts'
import { problemAnswers } from './route-schema.ts'
import type { Order, SbcLink } from './sbc-link.ts'

type CallPath = { readonly callId: string }
type CallQuery = { readonly sipCallId?: string; readonly agent?: string }
type OpenBody = { readonly form: string; readonly masking?: Masking }
type ClearBody = { readonly field?: FieldName } | null

/** The calls, and what can be ordered on them. */
export function addCallRoutes(
  server: FastifyInstance,
  options: {
    readonly authentication: Authentication
    readonly book: CallBook
    readonly link: SbcLink
    readonly metrics: DeskMetrics
    readonly logger: Logger
  },
): void {
  const { authentication, book, link, metrics, logger } = options

  /** A call of another agent is answered like one that does not exist. */
  const callOf = (request: FastifyRequest<{ Params: CallPath }>): CallView => {
    const call = book.get(request.params.callId)
    if (call === null || !maySee(authentication.callerOf(request).agent, call)) throw new ProblemError('unknown_call')
    return call
  }

  const run = async (request: FastifyRequest<{ Params: CallPath }>, order: Order): Promise<string | null> => {
    const { callId } = callOf(request)
    const { agent } = authentication.callerOf(request)
    const outcome = await link.order(order)
    const code = outcome.kind === 'done' ? 'done' : outcome.code
    metrics.orders.inc({ order: order.type, outcome: code })
    logger.info({ agent: agent.name, callId, address: request.ip, method: order.type, code }, 'an agent gave an order')
    if (outcome.kind === 'refused') throw new ProblemError(outcome.code)
    return outcome.windowId
  }

  server.get<{ Querystring: CallQuery }>(
    '/calls',
    {
      schema: {
        summary: 'List calls, the newest first',
        tags: ['calls'],
        querystring: API_SHAPES.callQuery,
        response: { 200: API_SHAPES.calls, ...problemAnswers('invalid_request', 'token_refused', 'not_permitted') },
      },
    },
    (request) => {
      const { agent } = authentication.callerOf(request)
      const { sipCallId, agent: wanted } = request.query
      if (agent.role === 'agent' && wanted !== undefined && wanted !== agent.name) {
        throw new ProblemError('not_permitted')
      }
      const calls = book.list(agent.role === 'agent' ? agent.name : (wanted ?? null))
      const fits = (call: CallView) => call.payerSipCallId === sipCallId || call.agentSipCallId === sipCallId
      return { sbc: book.sbc, calls: sipCallId === undefined ? calls : calls.filter(fits) }
    },
  )

  server.get<{ Params: CallPath }>(
    '/calls/:callId',
    {
      schema: {
        summary: 'One call',
        tags: ['calls'],
        params: API_SHAPES.callPath,
        response: { 200: API_SHAPES.call, ...problemAnswers('token_refused', 'unknown_call') },
      },
    },
    (request) => callOf(request),
  )

  server.post<{ Params: CallPath; Body: OpenBody }>(
    '/calls/:callId/windows',
    {
      schema: {
        summary: 'Open a payment window; answered when the masking is proven, or has failed',
        tags: ['windows'],
        params: API_SHAPES.callPath,
        body: API_SHAPES.openBody,
        response: {
          201: API_SHAPES.opened,
          ...problemAnswers(
            'invalid_request',
            'token_refused',
            'unknown_call',
            'window_open',
            'call_ended',
            'emergency',
          ),
          ...problemAnswers(
            'unknown_form',
            'guard_unavailable',
            'media_unavailable',
            'not_proven',
            'not_recorded',
            'unknown_merchant',
            'sbc_lost',
          ),
          ...problemAnswers('sbc_timeout'),
        },
      },
    },
    async (request, reply) => {
      const { callId } = request.params
      const { form, masking } = request.body
      const windowId = await run(request, { type: 'window.open', callId, form, masking: masking ?? null })
      return reply.code(201).header('location', `/api/v1/calls/${callId}/window`).send({ callId, windowId })
    },
  )

  server.get<{ Params: CallPath }>(
    '/calls/:callId/window',
    {
      schema: {
        summary: 'The payment window of a call: the open one, or the last',
        tags: ['windows'],
        params: API_SHAPES.callPath,
        response: { 200: API_SHAPES.window, ...problemAnswers('token_refused', 'unknown_call') },
      },
    },
    (request) => {
      const { payment } = callOf(request)
      if (payment === null) throw new ProblemError('no_window')
      return payment
    },
  )

  server.delete<{ Params: CallPath }>(
    '/calls/:callId/window',
    {
      schema: {
        summary: 'Cancel the payment; the payer stays masked until the keys are quiet',
        tags: ['windows'],
        params: API_SHAPES.callPath,
        response: { 204: { type: 'null' }, ...problemAnswers('token_refused', 'no_window', 'sbc_lost', 'sbc_timeout') },
      },
    },
    async (request, reply) => {
      await run(request, { type: 'window.cancel', callId: request.params.callId })
      return reply.code(204).send()
    },
  )

  server.post<{ Params: CallPath; Body: ClearBody }>(
    '/calls/:callId/window/clear',
    {
      schema: {
        summary: 'Clear a field, so that the customer types it again',
        tags: ['windows'],
        params: API_SHAPES.callPath,
        body: API_SHAPES.clearBody,
        response: { 204: { type: 'null' }, ...problemAnswers('token_refused', 'no_window', 'sbc_lost', 'sbc_timeout') },
      },
    },
    async (request, reply) => {
      const field = request.body?.field ?? null
      await run(request, { type: 'window.clear', callId: request.params.callId, field })
      return reply.code(204).send()
    },
  )
}
