import { isIP } from 'node:net'
import type { Address, Flow, TransportName } from './flow.ts'
import {
  canonicalHost,
  interfaceAddresses,
  isWildcard,
  localAddressFor,
  type InterfaceAddress,
} from './local-address.ts'
import type { ConnectionLimit } from './message-deadline.ts'
import { defaultPort } from './next-hop.ts'
import { PLAIN_STREAM, TcpTransport, type StreamTerms, type TcpLimits } from './transport-tcp.ts'
import { secureStream, type TlsIdentity, type TlsRefusal } from './transport-tls.ts'
import { UdpTransport } from './transport-udp.ts'

/** A socket could not be opened. `code` is the system's (EADDRINUSE, ...), `address` and `transport` say which. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  readonly code: string
  readonly transport: TransportName | 'control'
  readonly address: Address

  constructor(cause: unknown, transport: TransportName | 'control', address: Address) {
    super('cannot listen')
    this.code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'UNKNOWN'
    this.transport = transport
    this.address = address
  }
}

type Transport = UdpTransport | TcpTransport

/** A TLS listener. `name` is the domain of its certificate, shown in Via and Contact instead of the address. */
export type TlsAddress = Address & { readonly name?: string }

export type TlsListeners = { readonly addresses: readonly TlsAddress[]; readonly identity: TlsIdentity }

/** All listening sockets, and the choice between them. */
export class Transports {
  #renew: (identity: TlsIdentity) => void = () => undefined
  readonly #opened: Transport[] = []
  readonly #interfaces: readonly InterfaceAddress[] = interfaceAddresses()

  /** The names of TLS listeners, by port. */
  readonly #names = new Map<number, string>()

  /** Opens every address; when one fails closes the others and rejects with a ListenError. */
  static async open(options: {
    readonly udp: readonly Address[]
    readonly tcp: readonly Address[]
    readonly tls?: TlsListeners | undefined
    readonly limits: TcpLimits
    /** False: a connection from there is closed at once. */
    readonly takesConnection?: ((host: string | undefined) => boolean) | undefined
    readonly onBytes: (bytes: Buffer, flow: Flow) => void
    /** Bytes were handed to a socket or connection; whether they arrive is not known. */
    readonly onSent?: ((bytes: Buffer, flow: Flow) => void) | undefined
    /** A socket reported an error, or a stream lost its message boundary. */
    readonly onTrouble: (transport: TransportName) => void
    readonly onLimit?: (limit: ConnectionLimit) => void
    /** A TLS peer was refused, by us or by itself. */
    readonly onRefused?: (refusal: TlsRefusal) => void
  }): Promise<Transports> {
    const transports = new Transports()
    const advertise = (local: Address, remote: Address): Address => transports.#advertise(local, remote)
    try {
      for (const address of options.udp) {
        const opening = UdpTransport.open({
          address,
          advertise,
          onDatagram: options.onBytes,
          onSent: options.onSent,
          onError: () => options.onTrouble('udp'),
        })
        transports.#opened.push(
          await opening.catch((cause: unknown) => Promise.reject(new ListenError(cause, 'udp', address))),
        )
      }
      for (const address of options.tcp) await transports.#openStream(address, PLAIN_STREAM, options)
      const { tls } = options
      if (tls === undefined) return transports
      const terms = secureStream({
        identity: tls.identity,
        handshakeMs: options.limits.tcpConnectMs,
        onRefused: options.onRefused ?? (() => undefined),
      })
      transports.#renew = terms.renew
      for (const address of tls.addresses) {
        const opened = await transports.#openStream(address, terms, options)
        if (address.name !== undefined) transports.#names.set(opened.local.port, address.name)
      }
    } catch (error) {
      await transports.close()
      throw error
    }
    return transports
  }

  /** New TLS connections are made with this certificate. Throws, and changes nothing, when it is unusable. */
  renew(identity: TlsIdentity): void {
    this.#renew(identity)
  }

  addresses(name: TransportName): Address[] {
    return this.#opened.filter((transport) => transport.name === name).map(({ local }) => local)
  }

  /** True when a socket of this transport can reach this address family. */
  serves(transport: TransportName, family: 4 | 6): boolean {
    return this.#opened.some(({ name, local }) => name === transport && isIP(local.host) === family)
  }

  /** `tcp/1.2.3.4:5060,udp/1.2.3.4:5060`, as the control protocol names them; a wildcard as the address others reach. */
  hostPorts(): string {
    return this.#opened.map(({ name, local }) => `${name}/${this.#shown(local)}:${local.port}`).join(',')
  }

  /** True when a Route or Request-URI names one of our sockets. */
  isOurs(written: string, port: number | undefined): boolean {
    const host = canonicalHost(written)
    return this.#opened.some(({ name, local }) => {
      if (local.port !== (port ?? defaultPort(name))) return false
      return (
        local.host === host ||
        (name === 'tls' && this.#names.get(local.port) === host) ||
        (isWildcard(local.host) && this.#interfaces.some((address) => address.host === host))
      )
    })
  }

  /**
   * The flow for a request. `from` is the address that a dialog stays on, or that the application's Contact names;
   * otherwise the socket on the peer's network is taken. Undefined when no socket of this transport can reach the peer.
   */
  flowTo(options: {
    readonly transport: TransportName
    readonly remote: Address
    readonly from: Address | undefined
    /** TLS: of these the peer must prove one. */
    readonly names?: readonly string[] | undefined
  }): Flow | undefined {
    const family = isIP(options.remote.host)
    const able = this.#opened.filter(({ name, local }) => name === options.transport && isIP(local.host) === family)
    const { from } = options
    const bound =
      from === undefined
        ? undefined
        : (able.find(({ local }) => local.port === from.port && this.#answersTo(local, from.host)) ??
          able.find(({ local }) => local.host === from.host))
    const routed = localAddressFor(options.remote.host, this.#interfaces)
    const chosen =
      bound ??
      able.find(({ local }) => local.host === routed) ??
      able.find(({ local }) => isWildcard(local.host)) ??
      able[0]
    return chosen?.flowTo(options.remote, options.names)
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map((transport) => transport.close()))
  }

  async #openStream(
    address: Address,
    terms: StreamTerms,
    options: {
      readonly limits: TcpLimits
      readonly takesConnection?: ((host: string | undefined) => boolean) | undefined
      readonly onBytes: (bytes: Buffer, flow: Flow) => void
      readonly onSent?: ((bytes: Buffer, flow: Flow) => void) | undefined
      readonly onTrouble: (transport: TransportName) => void
      readonly onLimit?: (limit: ConnectionLimit) => void
    },
  ): Promise<TcpTransport> {
    const opening = TcpTransport.open({
      address,
      terms,
      limits: options.limits,
      advertise: (local, remote) => {
        const name = terms.name === 'tls' ? this.#names.get(local.port) : undefined
        return name === undefined ? this.#advertise(local, remote) : { host: name, port: local.port }
      },
      bindHost: (local, remote) => this.#advertise(local, remote).host,
      takesConnection: options.takesConnection,
      onMessage: options.onBytes,
      onSent: options.onSent,
      onBroken: () => options.onTrouble(terms.name),
      onLimit: (limit) => options.onLimit?.(limit),
    })
    const opened = await opening.catch((cause: unknown) => Promise.reject(new ListenError(cause, terms.name, address)))
    this.#opened.push(opened)
    return opened
  }

  #answersTo(local: Address, host: string): boolean {
    return local.host === host || isWildcard(local.host) || this.#names.get(local.port) === host
  }

  #advertise(local: Address, remote: Address): Address {
    return isWildcard(local.host) ? { host: localAddressFor(remote.host, this.#interfaces), port: local.port } : local
  }

  #shown(local: Address): string {
    const host = isWildcard(local.host)
      ? localAddressFor(local.host === '::' ? '2001:db8::1' : '192.0.2.1', this.#interfaces)
      : local.host
    return host.includes(':') ? `[${host}]` : host
  }
}
