import { hostText } from '../kit/host-text.ts'
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

/**
 * Where to listen. `name` is what Via, Contact and From show instead of the address: the domain of our certificate, or the
 * address that a NAT in front of us has, on the same port.
 */
export type ListenAddress = Address & { readonly name?: string }

export type TlsListeners = { readonly addresses: readonly ListenAddress[]; readonly identity: TlsIdentity }

/** All listening sockets, and the choice between them. */
export class Transports {
  #renew: (identity: TlsIdentity) => void = () => undefined
  #unwatch: () => void = () => undefined
  readonly #opened: Transport[] = []
  readonly #interfaces: readonly InterfaceAddress[] = interfaceAddresses()

  readonly #names = new Map<Transport, string>()

  /** Opens every address; when one fails closes the others and rejects with a ListenError. */
  static async open(options: {
    readonly udp: readonly ListenAddress[]
    readonly tcp: readonly ListenAddress[]
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
    try {
      for (const address of options.udp) {
        const opening = UdpTransport.open({
          address,
          advertise: (local, remote) => transports.#shownTo(local, remote, address.name),
          onDatagram: options.onBytes,
          onSent: options.onSent,
          onError: () => options.onTrouble('udp'),
        })
        const opened = await opening.catch((cause: unknown) => Promise.reject(new ListenError(cause, 'udp', address)))
        transports.#keep(opened, address)
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
      transports.#unwatch = terms.close
      for (const address of tls.addresses) await transports.#openStream(address, terms, options)
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
    return this.#opened.some((transport) => {
      const { name, local } = transport
      if (local.port !== (port ?? defaultPort(name))) return false
      return (
        local.host === host ||
        this.#names.get(transport) === host ||
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
        : (able.find((transport) => transport.local.port === from.port && this.#answersTo(transport, from.host)) ??
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
    this.#unwatch()
    await Promise.all(this.#opened.map((transport) => transport.close()))
  }

  async #openStream(
    address: ListenAddress,
    terms: StreamTerms,
    options: {
      readonly limits: TcpLimits
      readonly takesConnection?: ((host: string | undefined) => boolean) | undefined
      readonly onBytes: (bytes: Buffer, flow: Flow) => void
      readonly onSent?: ((bytes: Buffer, flow: Flow) => void) | undefined
      readonly onTrouble: (transport: TransportName) => void
      readonly onLimit?: (limit: ConnectionLimit) => void
    },
  ): Promise<void> {
    const opening = TcpTransport.open({
      address,
      terms,
      limits: options.limits,
      advertise: (local, remote) => this.#shownTo(local, remote, address.name),
      bindHost: (local, remote) => this.#advertise(local, remote).host,
      takesConnection: options.takesConnection,
      onMessage: options.onBytes,
      onSent: options.onSent,
      onBroken: () => options.onTrouble(terms.name),
      onLimit: (limit) => options.onLimit?.(limit),
    })
    const opened = await opening.catch((cause: unknown) => Promise.reject(new ListenError(cause, terms.name, address)))
    this.#keep(opened, address)
  }

  #keep(transport: Transport, { name }: ListenAddress): void {
    this.#opened.push(transport)
    if (name !== undefined) this.#names.set(transport, canonicalHost(name))
  }

  #answersTo(transport: Transport, host: string): boolean {
    const { local } = transport
    return local.host === host || isWildcard(local.host) || this.#names.get(transport) === canonicalHost(host)
  }

  #shownTo(local: Address, remote: Address, name: string | undefined): Address {
    return name === undefined ? this.#advertise(local, remote) : { host: name, port: local.port }
  }

  #advertise(local: Address, remote: Address): Address {
    return isWildcard(local.host) ? { host: localAddressFor(remote.host, this.#interfaces), port: local.port } : local
  }

  #shown(local: Address): string {
    const host = isWildcard(local.host)
      ? localAddressFor(local.host === '::' ? '2001:db8::1' : '192.0.2.1', this.#interfaces)
      : local.host
    return hostText(host)
  }
}
