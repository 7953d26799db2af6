import { Socket } from 'node:net'
import type { Server, TLSSocket } from 'node:tls'

/** What the handshake of a peer failed by. */
export type HandshakeRefusal = 'tls_refused' | 'certificate_expired' | 'certificate_revoked'

/** Node tells of a certificate that it does not believe by a name on the socket alone. */
export function handshakeRefusal(socket: TLSSocket): HandshakeRefusal {
  const why: unknown = socket.authorizationError
  if (why === 'CERT_REVOKED') return 'certificate_revoked'
  return why === 'CERT_HAS_EXPIRED' ? 'certificate_expired' : 'tls_refused'
}

/** Once looked at, the address of a connection is still known when it is over. */
export function rememberAddresses(server: Server): void {
  server.on('connection', (socket: Socket) => {
    Reflect.get(socket, 'remoteAddress')
  })
}

/**
 * Where a peer called from, also when its handshake has failed: by then Node has closed the TLS socket, and only the connection below it, which has
 * no documented name, can tell. Undefined where it is not found.
 */
export function addressOf(socket: TLSSocket): string | undefined {
  if (socket.remoteAddress !== undefined) return socket.remoteAddress
  const below: unknown = Reflect.get(socket, '_parent')
  return below instanceof Socket ? below.remoteAddress : undefined
}
