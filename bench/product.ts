import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeskClient } from '../src/demo/desk-client.ts'
import { startSupervisor } from '../src/main/supervisor.ts'
import { freePort } from '../test/fakes/free-port.ts'
import { writeTestConfiguration } from '../test/fakes/test-configuration.ts'

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

export const PAYER_ADDRESS = '127.0.0.2'
export const AGENT_ADDRESS = '127.0.0.3'
export const AGENT_NAME = 'agent'
/** The shortest that the schema allows: benches press no keys. */
const COOL_DOWN_MS = 500

export async function startProduct(say: (line: string) => void): Promise<Product> {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-bench-'))
  const agentPort = await freePort()
  const { file, configuration } = await writeTestConfiguration({
    folder,
    contactCentre: { host: AGENT_ADDRESS, port: agentPort },
    change: (written) => ({
      ...written,
      forms: [{ name: 'card', fields: ['card-number', 'expiry', 'card-code'], coolDownMs: COOL_DOWN_MS }],
    }),
  })
  const started = await startSupervisor({ configurationFile: file, say })
  if (started.kind === 'refused') throw new Error(started.texts.join('\n'))
  const { supervisor } = started
  const [sip] = configuration.sip.udp
  const [rtpengine] = configuration.rtpengines
  const token = configuration.desk.agents.find((agent) => agent.role === 'all')?.tokenFile
  if (sip === undefined || rtpengine === undefined || token === undefined)
    throw new Error('the test configuration has no SIP address, rtpengine or supervisor')
  const bearer = readFileSync(token, 'utf8').split('\n')[0] ?? ''
  return {
    sip: `${sip.host}:${sip.port}`,
    agentPort,
    rtpengine,
    desk: new DeskClient({ address: `http://${configuration.desk.host}:${configuration.desk.port}`, token: bearer }),
    pidOf: (name) => supervisor.pidOf(name),
    close: async () => {
      await supervisor.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
