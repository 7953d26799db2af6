import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { errorFields, type Logger } from '../kit/log.ts'
import type { DeskConfiguration } from '../wire/configuration.ts'
import type { DeskMetrics } from './desk-metrics.ts'
import { PROBLEM_TYPE, PROBLEMS, ProblemError, problemBody, type ProblemCode } from './problem.ts'

/** No order needs more than a few hundred bytes. */
const BODY_BYTES_MAX = 4_096
const HEADER_BYTES_MAX = 16_384
/** A person or a system sends its headers in one go; slower is somebody who wants to hold a connection. */
const HEADERS_MS_MAX = 5_000
const REQUEST_MS_MAX = 8_000
/** An event stream writes all the time, so a connection without any traffic is idle. */
const IDLE_MS_MAX = 60_000
const CONNECTIONS_MAX = 4_096
/** How often node looks for connections that exceed the limits above. */
const CHECK_EVERY_MS = 1_000
/** The longest path parameter is a call id of twenty letters. */
const PARAM_CHARS_MAX = 64

/** No script, style or connection but our own, and nothing that a browser keeps or passes on. */
const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=()',
  'cache-control': 'no-store',
} as const
/** RFC 6797; a year. */
const HSTS = 'max-age=31536000'

/** fastify's own error codes, as ours. */
const FRAMEWORK_CODES: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_VALIDATION: 'invalid_request',
  FST_ERR_BAD_URL: 'invalid_request',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_request',
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_request',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_request',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'not_json',
}

/** A fastify server with limits, headers and errors in place, and no route but the OpenAPI document. */
export async function createHttpServer(options: {
  readonly tls: DeskConfiguration['tls']
  readonly logger: Logger
  readonly metrics: DeskMetrics
}): Promise<FastifyInstance> {
  const { tls, logger, metrics } = options
  const transport = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: HEADERS_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    connectionsCheckingInterval: CHECK_EVERY_MS,
  }
  const settings = {
    logger: false as const,
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    connectionTimeout: IDLE_MS_MAX,
    keepAliveTimeout: IDLE_MS_MAX,
    forceCloseConnections: true as const,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PARAM_CHARS_MAX },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false as const, allowUnionTypes: true } },
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error: { readonly code: string }, _request: unknown, reply: FastifyReply) =>
      void answerProblem(reply, FRAMEWORK_CODES[error.code] ?? 'invalid_request'),
  }
  const server: FastifyInstance =
    tls === null
      ? Fastify({ ...settings, http: transport })
      : Fastify({
          ...settings,
          https: {
            ...transport,
            cert: readFileSync(tls.certificate),
            key: readFileSync(tls.key),
            minVersion: 'TLSv1.2',
          },
        })
  server.removeContentTypeParser('text/plain')
  server.server.maxConnections = CONNECTIONS_MAX
  // Calls were checked when they came from the sbc; a second schema on the way out could only drop fields silently.
  server.setSerializerCompiler(() => (data) => JSON.stringify(data))

  server.addHook('onRequest', async (_request, reply) => {
    reply.headers(SECURITY_HEADERS)
    if (tls !== null) reply.header('strict-transport-security', HSTS)
  })
  server.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    metrics.requests.inc({ route, status_class: `${Math.floor(reply.statusCode / 100)}xx` })
  })
  server.setNotFoundHandler((_request, reply) => answerProblem(reply, 'not_found'))
  server.setErrorHandler((error, request, reply) => {
    if (error instanceof ProblemError) return answerProblem(reply, error.code, { retryAfterS: error.retryAfterS })
    const { code, validation } = error as {
      readonly code?: string
      readonly validation?: readonly { readonly instancePath: string }[]
    }
    if (validation !== undefined) {
      return answerProblem(reply, 'invalid_request', { field: validation[0]?.instancePath ?? '' })
    }
    const known = error instanceof SyntaxError ? 'invalid_request' : FRAMEWORK_CODES[code ?? '']
    if (known !== undefined) return answerProblem(reply, known)
    logger.error({ ...errorFields(error), route: request.routeOptions.url ?? 'unknown' }, 'a request failed')
    return answerProblem(reply, 'internal')
  })

  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tonewall desk',
        version: '1',
        description:
          'Calls, payment windows and their masked progress. No answer holds more of a card than its last four digits.',
      },
      tags: [{ name: 'calls' }, { name: 'windows' }, { name: 'events' }, { name: 'session' }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
  })
  server.get('/api/v1/openapi.json', { schema: { hide: true } }, () => server.swagger())
  return server
}

function answerProblem(
  reply: FastifyReply,
  code: ProblemCode,
  more: { readonly field?: string; readonly retryAfterS?: number | null } = {},
): FastifyReply {
  const { status } = PROBLEMS[code]
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="tonewall"')
  if (typeof more.retryAfterS === 'number') reply.header('retry-after', more.retryAfterS)
  return reply.code(status).type(PROBLEM_TYPE).serializer(JSON.stringify).send(problemBody(code, more.field))
}

/** What is no HTTP at all, or comes too slowly or too large to be read, gets one answer and is closed. */
function refuseConnection(error: Error & { readonly code?: string }, socket: Socket): void {
  const codes: Readonly<Record<string, ProblemCode>> = {
    ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
    HPE_HEADER_OVERFLOW: 'headers_too_large',
  }
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = problemBody(codes[error.code ?? ''] ?? 'invalid_request')
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${problem.status} Refused\r\nconnection: close\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
