import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ChannelRefusal } from '../../../kit/channel.ts'
import { isRevoked, peerClient, secureContext, type Identity } from '../../../kit/identity.ts'
import { errorFields, type Logger } from '../../../kit/log.ts'
import { addressOf, handshakeRefusal, rememberAddresses } from '../../../kit/refused-handshake.ts'
import { Refusals, type RefusedPeer } from '../../../kit/refusals.ts'
import { CLIENT_ROLES } from '../../../wire/vault-api-configuration.ts'
import type { ApiService } from './api-service.ts'
import { readJson, refuseConnection, sendAnswer, sendProblem } from './http-exchange.ts'
import type { Caller } from './orders.ts'
import { findRoute } from './routes.ts'

const HANDSHAKE_MS_MAX = 3_000
/** A system sends its headers in one go; slower is somebody who wants to hold a connection. */
const HEADERS_MS_MAX = 5_000
const REQUEST_MS_MAX = 8_000
const IDLE_MS_MAX = 60_000
/** How often node looks for connections that exceed the limits above. */
const CHECK_EVERY_MS = 1_000
const HEADER_BYTES_MAX = 8_192
const CONNECTIONS_MAX = 256
/** The longest path names a merchant and a token, or a bulk. */
const PATH_CHARS_MAX = 256

export type ApiListener = { readonly port: number; close(): Promise<void> }

/**
 * The API's door: HTTPS over TLS 1.3, for clients whose certificate names them and their role, and which the configuration knows
 * by both. Rejects with the system's error when the port is taken.
 */
export async function listenApi(options: {
  readonly host: string
  readonly port: number
  readonly identity: Identity
  readonly service: ApiService
  readonly logger: Logger
  readonly refused?: (code: ChannelRefusal) => void
  readonly record?: (refused: RefusedPeer<ChannelRefusal>) => void
}): Promise<ApiListener> {
  const { identity, service, logger } = options
  const refusals = new Refusals<ChannelRefusal>({ logger, counted: options.refused, record: options.record })
  const callers = new WeakMap<object, Caller>()
  const sockets = new Set<TLSSocket>()
  const server: Server = createServer(
    {
      ...secureContext(identity),
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: HANDSHAKE_MS_MAX,
      headersTimeout: HEADERS_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      keepAliveTimeout: IDLE_MS_MAX,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    (incoming, response) => {
      const caller = callers.get(incoming.socket)
      if (caller === undefined) incoming.socket.destroy()
      else void exchange(incoming, response, { caller, service })
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  server.setTimeout(IDLE_MS_MAX)
  rememberAddresses(server)
  server.on('secureConnection', (socket: TLSSocket) => {
    const client = peerClient(socket, CLIENT_ROLES)
    if (client === null || !service.knows(client)) {
      refusals.add('wrong_role', { address: socket.remoteAddress, fields: { peerRole: client?.role ?? 'none' } })
      socket.destroy()
      return
    }
    callers.set(socket, client)
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', (error, socket) => {
    refusals.add(handshakeRefusal(socket), { address: addressOf(socket), fields: errorFields(error) })
  })
  server.on('clientError', (error: Error & { readonly code?: string }, socket) => {
    // A handshake that failed comes here too, once more; and somebody who just goes has done nothing wrong.
    if (!(socket instanceof TLSSocket) || !callers.has(socket)) {
      socket.destroy()
      return
    }
    const code = refuseConnection(error, socket)
    if (error.code === 'ECONNRESET') return
    refusals.add('malformed', { address: socket.remoteAddress, fields: { errorCode: code } })
  })
  const unwatch = identity.revoked?.watch(() => {
    server.setSecureContext(secureContext(identity))
    for (const socket of sockets) {
      if (!isRevoked(socket, identity)) continue
      refusals.add('certificate_revoked', { address: socket.remoteAddress })
      socket.destroy()
    }
  })
  server.listen(options.port, options.host)
  await once(server, 'listening')
  let closed: Promise<void> | null = null
  const close = async (): Promise<void> => {
    unwatch?.()
    refusals.close()
    const ended = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await ended
  }
  return { port: (server.address() as AddressInfo).port, close: () => (closed ??= close()) }
}

/** One request and its answer. Never rejects. */
async function exchange(
  incoming: IncomingMessage,
  response: ServerResponse,
  { caller, service }: { readonly caller: Caller; readonly service: ApiService },
): Promise<void> {
  response.on('error', () => undefined)
  const refused = await service.admit(caller)
  if (refused !== null) return sendProblem(response, refused.code, refused.retryAfterS)
  const { url = '', method = '' } = incoming
  const found = url.length > PATH_CHARS_MAX ? null : findRoute(method, url)
  if (found === null) return sendAnswer(response, await service.refuse('not_found', caller))
  const idempotencyKey = incoming.headers['idempotency-key']
  if (found.route.body === null) {
    incoming.resume()
    return sendAnswer(response, await service.handle({ found, idempotencyKey, body: null }, caller))
  }
  const body = await readJson(incoming)
  if (body.kind === 'gone') return
  if (body.kind === 'refused') return sendAnswer(response, await service.refuse(body.code, caller))
  sendAnswer(response, await service.handle({ found, idempotencyKey, body }, caller))
}
