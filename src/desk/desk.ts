import { hostPortText } from '../kit/host-text.ts'
import type { AddressInfo } from 'node:net'
import type { Identity } from '../kit/identity.ts'
import type { Logger } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { DeskConfiguration, HostPort } from '../wire/configuration.ts'
import { AgentDirectory } from './agent-directory.ts'
import { Authentication } from './authentication.ts'
import { CallBook, type BookChange } from './call-book.ts'
import { addCallRoutes } from './call-routes.ts'
import { createDeskMetrics } from './desk-metrics.ts'
import { EventRing, type DeskEvent } from './event-ring.ts'
import { addEventRoutes } from './event-routes.ts'
import { EventStreams } from './event-stream.ts'
import { createHttpServer } from './http-server.ts'
import { LoginLimit } from './login-limit.ts'
import { readPageFiles } from './page-files.ts'
import { SbcLink } from './sbc-link.ts'
import { addSessionRoutes } from './session-routes.ts'
import { Sessions } from './session.ts'

/** The desk waits so long for the sbc's calls before it listens, so that a page that comes back sees them at once. */
const FIRST_CALLS_MS_MAX = 1_500

/** `address` is the URL of the page, without a token. */
export type Desk = { readonly address: string; close(): Promise<void> }

/**
 * Starts the desk: the agents' page and the API. Rejects with the system's error when the port is taken or a TLS file
 * cannot be read, and with an Error whose `code` and `agent` name a token that cannot be used.
 */
export async function startDesk(options: {
  readonly configuration: DeskConfiguration
  readonly sbc: HostPort
  readonly identity: Identity
  readonly logger: Logger
  readonly metrics: Metrics
}): Promise<Desk> {
  const { configuration, logger } = options
  const directory = AgentDirectory.read(configuration.agents)
  if (!(directory instanceof AgentDirectory)) {
    throw Object.assign(new Error('the token of an agent cannot be used'), directory)
  }
  const metrics = createDeskMetrics(options.metrics)
  const sessions = new Sessions({ directory, now: Date.now })
  const authentication = new Authentication({
    directory,
    sessions,
    limit: new LoginLimit({ now: Date.now }),
    refused: () => {
      metrics.loginsRefused.inc()
      link.tellLoginRefused()
    },
  })
  const server = await createHttpServer({ tls: configuration.tls, logger, metrics })

  const book = new CallBook()
  const ring = new EventRing()
  const streams = new EventStreams({
    book,
    ring,
    counted: (count) => metrics.streams.set(count),
    cut: (reason) => metrics.streamsCut.inc({ reason }),
  })
  const link = new SbcLink({
    sbc: options.sbc,
    identity: options.identity,
    logger,
    book,
    changed: (changes) => {
      metrics.sbcUp.set(book.sbc === 'up' ? 1 : 0)
      streams.publish(changes.map((change) => ring.push(eventOf(change))))
    },
  })

  let closing: Promise<void> | null = null
  const close = (): Promise<void> => {
    closing ??= (() => {
      link.close()
      streams.close()
      return server.close()
    })()
    return closing
  }

  for (const file of readPageFiles()) {
    server.get(file.path, { schema: { hide: true } }, (_request, reply) => reply.type(file.type).send(file.body))
  }
  server.register(
    (api, _options, done) => {
      api.addHook('onRequest', (request, _reply, next) => {
        authentication.identify(request)
        next()
      })
      addSessionRoutes(api, { authentication, sessions })
      addCallRoutes(api, { authentication, book, link, metrics, logger })
      addEventRoutes(api, { authentication, sessions, book, streams })
      done()
    },
    { prefix: '/api/v1' },
  )
  try {
    await link.waitForCalls(FIRST_CALLS_MS_MAX)
    await server.listen({ host: configuration.host, port: configuration.port })
  } catch (error) {
    await close()
    throw error
  }
  const { port } = server.server.address() as AddressInfo
  const scheme = configuration.tls === null ? 'http' : 'https'
  logger.info({ port, address: configuration.host }, 'the desk listens')
  return { address: `${scheme}://${hostPortText({ host: configuration.host, port })}/`, close }
}

function eventOf(change: BookChange): Omit<DeskEvent, 'sequence'> {
  switch (change.type) {
    case 'call':
      return {
        type: 'call',
        agent: change.call.agent,
        callId: change.call.callId,
        last: change.call.state === 'ended',
        data: JSON.stringify(change.call),
      }
    case 'gone':
      return {
        type: 'gone',
        agent: change.agent,
        callId: change.callId,
        last: true,
        data: JSON.stringify({ callId: change.callId }),
      }
    case 'sbc':
      return { type: 'sbc', agent: null, callId: null, last: false, data: JSON.stringify({ sbc: change.sbc }) }
  }
}
