import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { processPlans } from '../../src/main/process-plan.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
const { configuration } = loaded

const inOrder = (key: 'stage' | 'closeStage'): readonly string[] =>
  [...processPlans(configuration)].sort((one, other) => one[key] - other[key]).map(({ name }) => name)

t.test('SIP is heard only when media, guards and vault are there', (t) => {
  t.same(inOrder('stage'), ['vault', 'media-1', 'guard-1', 'guard-2', 'sipd', 'sbc', 'desk'])
  t.end()
})

t.test('calls end first and media last', (t) => {
  const order = inOrder('closeStage')
  t.equal(order[0], 'sbc')
  t.equal(order.at(-1), 'media-1')
  t.end()
})

t.test('rtpengine runs in userspace, on its own configuration, and logs no DTMF', (t) => {
  const program = processPlans(configuration).find(({ name }) => name === 'media-1')?.program
  t.match(program, { kind: 'rtpengine' })
  const given = program?.kind === 'rtpengine' ? program.arguments : []
  for (const wanted of [
    '--config-file=none',
    '--table=-1',
    '--interface=lo/127.0.0.1',
    '--listen-ng=127.0.0.1:22230',
    '--foreground',
  ]) {
    t.ok(given.includes(wanted), wanted)
  }
  t.notMatch(given.join(' '), /dtmf/i)
  t.end()
})

t.test('rtpengine is given each of several interfaces', (t) => {
  const [first] = configuration.rtpengines
  const start = { interface: 'lo/127.0.0.1;lo/::1', portMin: 20_000, portMax: 21_000 }
  const plans = processPlans({ ...configuration, rtpengines: first === undefined ? [] : [{ ...first, start }] })
  const program = plans.find(({ name }) => name === 'media-1')?.program
  t.same(program?.kind === 'rtpengine' && program.arguments.filter((argument) => argument.startsWith('--interface=')), [
    '--interface=lo/127.0.0.1',
    '--interface=lo/::1',
  ])
  t.end()
})

t.test('what runs already is not started', (t) => {
  const plans = processPlans({
    ...configuration,
    sip: { ...configuration.sip, server: 'drachtio' },
    rtpengines: configuration.rtpengines.map((rtpengine) => ({ ...rtpengine, start: null })),
  })
  t.same(
    plans.map(({ name }) => name),
    ['vault', 'guard-1', 'guard-2', 'sbc', 'desk'],
  )
  t.end()
})
