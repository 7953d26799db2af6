import { isIP, Socket, type TcpNetConnectOpts } from 'node:net'
import {
  connect,
  createServer,
  createSecureContext,
  Server,
  TLSSocket,
  type ConnectionOptions,
  type SecureContext,
  type SecureVersion,
} from 'node:tls'
import type { RevocationList } from '../kit/revocation.ts'
import { certificateNames, certificateServes } from './certificate-names.ts'
import type { Address } from './flow.ts'
import type { StreamTerms } from './transport-tcp.ts'

/** What sipd proves itself with towards TLS peers, and whom it trusts; all PEM. */
export type TlsIdentity = {
  readonly certificate: Buffer
  readonly key: Buffer
  /** Undefined: the authorities that Node trusts. */
  readonly authority: Buffer | undefined
  /** Peers that connect must show a certificate of the authority. */
  readonly mutual: boolean
  /** Names such as *.example.com in certificates of peers count; absent: they do not. */
  readonly wildcards?: boolean
  /** Certificates of the authority that are not believed any more, of clients and of servers; absent: none are checked. */
  readonly revoked?: RevocationList
}

/** A TLS peer was not let in, or we did not go on with it. `code` is OpenSSL's or Node's, or `NAME_MISMATCH`. */
export type TlsRefusal = {
  readonly direction: 'inbound' | 'outbound'
  readonly code: string
  readonly remote: Address
}

/** RFC 8996 and PCI DSS 4.0 requirement 2.2.7: nothing older. */
const VERSION_MIN: SecureVersion = 'TLSv1.2'

/** A peer that was gone before its address could be read. */
const NOBODY: Address = { host: '', port: 0 }

/**
 * TLS as the carrier of SIP (RFC 3261 section 26.2). Throws Node's error when certificate and key do not fit. When a list of revoked
 * certificates changes, new connections are checked against it, and open ones end whose peer it names.
 */
export function secureStream(options: {
  readonly identity: TlsIdentity
  readonly handshakeMs: number
  readonly onRefused: (refusal: TlsRefusal) => void
}): StreamTerms & { readonly renew: (identity: TlsIdentity) => void; readonly close: () => void } {
  const { onRefused } = options
  let { identity } = options
  let context = contextOf(identity)
  let wildcards = identity.wildcards === true
  const servers: Server[] = []
  const open = new Map<TLSSocket, TlsRefusal['direction']>()
  const opened = (socket: TLSSocket, direction: TlsRefusal['direction']): void => {
    open.set(socket, direction)
    socket.once('close', () => open.delete(socket))
  }
  const renew = (renewed: TlsIdentity): void => {
    context = contextOf(renewed)
    identity = renewed
    wildcards = renewed.wildcards === true
    for (const server of servers) server.setSecureContext(fieldsOf(renewed))
  }
  const endRevoked = (): void => {
    for (const [socket, direction] of [...open]) {
      // A client that was not asked for a certificate has none, and Node says null of a connection that is ending.
      const serialNumber = (socket.getPeerCertificate() as { readonly serialNumber?: string } | null)?.serialNumber
      if (serialNumber === undefined || identity.revoked?.isRevoked(serialNumber) !== true) continue
      onRefused({
        direction,
        code: 'CERT_REVOKED',
        remote: { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
      })
      socket.destroy()
    }
  }
  const watch = (): (() => void) | undefined =>
    identity.revoked?.watch(() => {
      renew(identity)
      endRevoked()
    })
  let unwatch = watch()
  return {
    renew: (renewed) => {
      renew(renewed)
      unwatch?.()
      unwatch = watch()
      endRevoked()
    },
    close: () => unwatch?.(),
    name: 'tls',
    accepted: 'secureConnection',
    connected: 'secureConnect',
    createServer: () => {
      const server = createServer({
        ...fieldsOf(identity),
        requestCert: identity.mutual,
        rejectUnauthorized: identity.mutual,
        handshakeTimeout: options.handshakeMs,
        noDelay: true,
        keepAlive: true,
      })
      // A TLS socket that failed does not know its peer any more; the TCP socket below it does.
      const sources = new WeakMap<Socket, Address>()
      server.on('connection', (socket: Socket) => {
        sources.set(socket, { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 })
      })
      server.on('tlsClientError', (error, socket) => {
        const below: unknown = Reflect.get(socket, '_parent')
        onRefused({
          direction: 'inbound',
          code: codeOf(socket.authorizationError) ?? codeOf(error) ?? 'UNKNOWN',
          remote: (below instanceof Socket ? sources.get(below) : undefined) ?? NOBODY,
        })
      })
      server.on('secureConnection', (socket) => opened(socket, 'inbound'))
      servers.push(server)
      return server
    },
    connect: ({ remote, localHost, names }) => {
      const wanted = names.length === 0 ? [remote.host] : names
      const shown = wanted.find((name) => isIP(name) === 0)
      // Node hands these on to the TCP socket, which its type of options does not say.
      const terms: ConnectionOptions & TcpNetConnectOpts = {
        host: remote.host,
        port: remote.port,
        localAddress: localHost,
        secureContext: context,
        minVersion: VERSION_MIN,
        // Server Name Indication is for names alone (RFC 6066 section 3).
        servername: shown ?? '',
        rejectUnauthorized: true,
        checkServerIdentity: (_, certificate) =>
          certificateServes(certificate, wanted, { wildcards }) ? undefined : nameMismatch(),
        noDelay: true,
        keepAlive: true,
      }
      const socket = connect(terms)
      opened(socket, 'outbound')
      return socket
    },
    // A numeric target has no name to prove: the open connection to that address and port is the one it means.
    serves: (socket, names) =>
      names.every((name) => isIP(name) !== 0) ||
      (socket instanceof TLSSocket &&
        socket.authorized &&
        certificateServes(socket.getPeerCertificate(), names, { wildcards })),
    provenName: (socket) =>
      socket instanceof TLSSocket && socket.authorized
        ? certificateNames(socket.getPeerCertificate()).find((name) => !name.includes('*'))
        : undefined,
    failed: (remote, error) => onRefused({ direction: 'outbound', code: codeOf(error) ?? 'UNKNOWN', remote }),
  }
}

function nameMismatch(): Error {
  return Object.assign(new Error('the certificate does not name the peer'), { code: 'NAME_MISMATCH' })
}

function codeOf(error: unknown): string | undefined {
  if (typeof error === 'string') return error
  if (!(error instanceof Error)) return undefined
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Throws when certificate and key do not belong together, or are none. */
function contextOf(identity: TlsIdentity): SecureContext {
  return createSecureContext(fieldsOf(identity))
}

function fieldsOf({ certificate, key, authority, revoked }: TlsIdentity) {
  const fields = { cert: certificate, key, ca: authority, minVersion: VERSION_MIN }
  return revoked === undefined ? fields : { ...fields, crl: revoked.pem }
}
