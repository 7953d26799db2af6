import type { Address, Flow } from './flow.ts'
import { defaultPort } from './next-hop.ts'
import { locateServers, type Destination } from './server-location.ts'
import type { SipCore } from './sip-core.ts'
import type { Via } from './via.ts'

/**
 * Where the answer to a request goes that came on `flow` with this top Via: over UDP to the source port if rport asks
 * for it, else to the port that the Via names; over TCP back on the connection. When that is gone, on a new one to the
 * source address and the Via's port (RFC 3261 section 18.2.2, RFC 3581), and when nobody is there either, to the
 * servers of the name in the Via (RFC 3263 section 5).
 */
export function replyFlow(core: SipCore, flow: Flow, via: Via): Flow {
  if (flow.transport === 'udp' && via.parameters.has('rport')) return flow
  const remote: Address = { host: flow.remote.host, port: via.port ?? defaultPort(flow.transport) }
  const names = flow.peerName === undefined ? [via.host] : [flow.peerName, via.host]
  const named = core.transports.flowTo({ transport: flow.transport, remote, from: flow.local, names }) ?? flow
  const byName = (bytes: Buffer, failed: () => void): void => sendByName(core, { flow, via, names, bytes, failed })
  if (flow.transport === 'udp')
    return { ...named, send: (bytes, failed) => named.send(bytes, () => byName(bytes, failed)) }
  return {
    ...flow,
    send: (bytes, failed) => flow.send(bytes, () => named.send(bytes, () => byName(bytes, failed))),
  }
}

/** A number in the Via was tried already, as the address that the request came from. */
function sendByName(
  core: SipCore,
  reply: {
    readonly flow: Flow
    readonly via: Via
    readonly names: readonly string[]
    readonly bytes: Buffer
    readonly failed: () => void
  },
): void {
  const { flow, via, names, bytes, failed } = reply
  const { transport } = flow
  const port = via.port ?? defaultPort(transport)
  const ask = via.port === undefined ? 'srv' : 'address'
  void locateServers({ transport, host: via.host, port, names, ask }, core.limits.resolveMs, core.location).then(
    (found) => {
      const servers = found.filter(({ remote }) => remote.host !== flow.remote.host || remote.port !== port)
      sendInTurn(core, { servers, flow, bytes, failed })
    },
  )
}

function sendInTurn(
  core: SipCore,
  reply: {
    readonly servers: readonly Destination[]
    readonly flow: Flow
    readonly bytes: Buffer
    readonly failed: () => void
  },
): void {
  const [server, ...servers] = reply.servers
  if (server === undefined) return reply.failed()
  const next = (): void => sendInTurn(core, { ...reply, servers })
  const { transport, remote, names } = server
  const flow = core.transports.flowTo({ transport, remote, from: reply.flow.local, names })
  if (flow === undefined) next()
  else flow.send(reply.bytes, next)
}
