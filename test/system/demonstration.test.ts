import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runDemonstration } from '../../src/demo/demonstration.ts'
import { startSupervisor } from '../../src/main/supervisor.ts'
import { demonstrationHolds, demonstrationSite } from '../fakes/demonstration-site.ts'

/** A call with all its keys takes ten seconds; the rest is for a busy machine. */
const FILE_MS_MAX = 118_000
const TALK_MS = 500

const CALLS = [
  { transport: 'both', codec: 'PCMU', masking: 'talk-through' },
  { transport: 'inband', codec: 'PCMA', masking: 'hard' },
  { transport: 'events', codec: 'G722', masking: 'talk-through' },
  { transport: 'info', codec: 'PCMU', masking: 'talk-through' },
] as const

t.test('a payment is taken and nothing of it is heard, whatever the line', { timeout: FILE_MS_MAX }, async (t) => {
  const { file, configuration } = await demonstrationSite(t)
  const started = await startSupervisor({ configurationFile: file, say: () => undefined })
  if (started.kind === 'refused') throw new Error(started.texts.join('\n'))
  t.teardown(() => started.supervisor.close())
  const [sip] = configuration.sip.udp
  const agent = configuration.desk.agents.find(({ role }) => role === 'agent')
  const contactCentre = configuration.trunks.find(({ side }) => side === 'contact-centre')
  if (sip === undefined || agent === undefined || contactCentre === undefined) throw new Error('a site needs them')
  for (const call of CALLS) {
    await t.test(`${call.transport}, ${call.codec}, ${call.masking}`, async (t) => {
      const report = await runDemonstration({
        ...call,
        sip,
        payerAddress: '127.0.0.2',
        agent: { address: contactCentre.targets[0].host, port: contactCentre.targets[0].port ?? 0, name: agent.name },
        desk: {
          address: `http://${configuration.desk.host}:${configuration.desk.port}`,
          token: readFileSync(agent.tokenFile, 'utf8').split('\n')[0] ?? '',
        },
        guardMetrics: configuration.guards.map(
          ({ metricsPort }) => `http://${configuration.metrics.host}:${metricsPort}/metrics`,
        ),
        form: 'card',
        folder: join(configuration.dataFolder, 'demonstration'),
        versions: { tonewall: 'tested' },
        say: () => undefined,
        talkMs: TALK_MS,
      })
      demonstrationHolds(t, report, call)
    })
  }
})
