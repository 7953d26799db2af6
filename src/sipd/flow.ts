export type Address = { readonly host: string; readonly port: number }

export type TransportName = 'udp' | 'tcp'

/**
 * A path to one peer: over a UDP socket of ours, or one TCP connection. A response goes back on the flow of its
 * request, and a dialog stays on the socket that it began on.
 */
export type Flow = {
  readonly transport: TransportName
  /** The network delivers or tells: no retransmission is needed (RFC 3261 section 17). */
  readonly reliable: boolean
  /** What Via and Contact show for this flow. */
  readonly local: Address
  readonly remote: Address
  /** Never throws. `failed` is called at most once, when the bytes cannot have reached the peer. */
  send(bytes: Buffer, failed: () => void): void
}
