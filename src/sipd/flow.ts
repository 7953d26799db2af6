export type Address = { readonly host: string; readonly port: number }

export type TransportName = 'udp' | 'tcp' | 'tls'

/**
 * A path to one peer: over a UDP socket of ours, or one TCP or TLS connection. A response goes back on the flow of its
 * request, and a dialog stays on the socket that it began on.
 */
export type Flow = {
  readonly transport: TransportName
  /** The network delivers or tells: no retransmission is needed (RFC 3261 section 17). */
  readonly reliable: boolean
  /** What Via and Contact show for this flow. */
  readonly local: Address
  readonly remote: Address
  /** TLS: the domain that the peer's certificate proved or has to prove; undefined when it proved none. */
  readonly peerName?: string | undefined
  /** Never throws. `failed` is called at most once, when the bytes cannot have reached the peer. */
  send(bytes: Buffer, failed: () => void): void
  /** True while the one connection that this flow is bound to is open; absent when the flow is not bound to one. */
  alive?(): boolean
  /** The peer takes requests for this port of its own on this connection too (RFC 5923 section 8). */
  alias?(port: number): void
}
