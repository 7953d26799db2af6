import type { DeskClient } from '../src/demo/desk-client.ts'
import { Site } from '../test/fakes/site.ts'

export { PAYER_ADDRESS } from '../test/fakes/site.ts'

/** The whole product on free ports of loopback, as a bench uses it. */
export type Product = {
  readonly sip: string
  readonly agentPort: number
  readonly rtpengine: { readonly host: string; readonly port: number }
  readonly desk: DeskClient
  /** Process ids by name, to read CPU and memory from the system. */
  readonly pidOf: (name: string) => number | null
  close(): Promise<void>
}

export const AGENT_ADDRESS = '127.0.0.3'
export const AGENT_NAME = 'agent'
/** The shortest that the schema allows: benches press no keys. */
const COOL_DOWN_MS = 500

export async function startProduct(say: (line: string) => void): Promise<Product> {
  const site = await Site.start({ say, coolDownMs: COOL_DOWN_MS })
  const [sip] = site.configuration.sip.udp
  const [rtpengine] = site.configuration.rtpengines
  const [agent] = site.agents
  if (sip === undefined || rtpengine === undefined || agent === undefined)
    throw new Error('the test configuration has no SIP address, rtpengine or agent')
  return {
    sip: `${sip.host}:${sip.port}`,
    agentPort: agent.port,
    rtpengine,
    desk: site.desk,
    pidOf: (name) => site.supervisor.pidOf(name),
    close: () => site.close(),
  }
}
