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

/** TLS as the carrier of SIP (RFC 3261 section 26.2). Throws Node's error when certificate and key do not fit. */
export function secureStream(options: {
  readonly identity: TlsIdentity
  readonly handshakeMs: number
  readonly onRefused: (refusal: TlsRefusal) => void
}): StreamTerms & { readonly renew: (identity: TlsIdentity) => void } {
  const { identity, onRefused } = options
  let context = contextOf(identity)
  let wildcards = identity.wildcards === true
  const servers: Server[] = []
  return {
    renew: (renewed) => {
      context = contextOf(renewed)
      wildcards = renewed.wildcards === true
      for (const server of servers) server.setSecureContext(fieldsOf(renewed))
    },
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
      return connect(terms)
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

function fieldsOf({ certificate, key, authority }: TlsIdentity) {
  return { cert: certificate, key, ca: authority, minVersion: VERSION_MIN }
}
