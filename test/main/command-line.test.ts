import t from 'tap'
import { parseCommandLine, USAGE } from '../../src/main/command-line.ts'
import { DEFAULT_CONFIGURATION_FILE } from '../../src/main/configuration.ts'

const read = (line: string) => parseCommandLine(line.split(' ').filter((word) => word !== ''))

t.test('start runs the shipped site with a demonstration call', (t) => {
  t.same(read('start'), {
    kind: 'start',
    configurationFile: DEFAULT_CONFIGURATION_FILE,
    call: { transport: 'events', codec: 'PCMU', masking: 'talk-through' },
    onceReport: null,
  })
  t.match(read('start --no-call --config site.yaml'), { call: null, configurationFile: 'site.yaml' })
  t.end()
})

t.test('one call can be chosen in every part', (t) => {
  t.match(read('start --once --report out.json --transport both --codec=G722 --masking hard'), {
    kind: 'start',
    call: { transport: 'both', codec: 'G722', masking: 'hard' },
    onceReport: 'out.json',
  })
  t.end()
})

t.test('a role is run by name', (t) => {
  t.match(read('run guard --config site.yaml --name guard-2'), { kind: 'run', role: 'guard', name: 'guard-2' })
  t.match(read('run vault'), { kind: 'run', role: 'vault', name: null })
  t.end()
})

t.test('a self-test is of all guards or of one, with results as JSON where asked', (t) => {
  t.same(read('selftest'), {
    kind: 'selftest',
    configurationFile: DEFAULT_CONFIGURATION_FILE,
    guard: null,
    json: null,
  })
  t.match(read('selftest --name guard-1 --json - --config site.yaml'), {
    guard: 'guard-1',
    json: '-',
    configurationFile: 'site.yaml',
  })
  t.match(read('selftest guard-1'), { kind: 'refused', text: /--name/ })
  t.match(read('selftest --json'), { kind: 'refused', text: /--json needs a value/ })
  t.end()
})

t.test('the small commands', (t) => {
  t.same(read('check-config site.yaml'), { kind: 'check-config', file: 'site.yaml' })
  t.same(read('version'), { kind: 'version' })
  t.same(read('--version'), { kind: 'version' })
  for (const line of ['help', '--help', 'start -h']) t.same(read(line), { kind: 'help' })
  t.match(USAGE, /tonewall COMMAND/)
  t.end()
})

t.test('what is not known is named', (t) => {
  const refusals: readonly (readonly [line: string, text: RegExp])[] = [
    ['', /no command/],
    ['stop', /no command stop/],
    ['constructor', /no command constructor/],
    ['start --colour red', /no option --colour/],
    ['start -x', /no option -x/],
    ['start now', /takes no now/],
    ['start --name x', /start takes no option --name/],
    ['version --config x', /version takes no option --config/],
    ['start --config', /--config needs a value/],
    ['start --once=yes --report x', /--once takes no value/],
    ['start --once', /go together/],
    ['start --report x', /go together/],
    ['start --once --report x --no-call', /forbids/],
    ['start --transport smoke', /--transport is one of events, inband, both, info/],
    ['start --codec MP3', /--codec is one of/],
    ['start --masking soft', /--masking is one of/],
    ['run', /needs a role/],
    ['run operator', /no role operator/],
    ['run sbc desk', /no role sbc desk/],
    ['check-config', /needs one file/],
    ['calls x', /calls takes no x/],
    ['calls --json=x', /--json takes no value/],
    ['trace', /needs one call/],
    ['trace a b', /needs one call/],
    ['trace a --watch', /trace takes no option --watch/],
    ['selftest --json', /--json needs a value/],
    ['help me', /takes no me/],
  ]
  for (const [line, text] of refusals) t.match(read(line), { kind: 'refused', text }, line === '' ? 'nothing' : line)
  t.end()
})

t.test('calls and traces are asked for with switches alone', (t) => {
  const configurationFile = DEFAULT_CONFIGURATION_FILE
  t.same(read('calls'), { kind: 'calls', configurationFile, json: false, watch: false })
  t.same(read('calls --watch --json'), { kind: 'calls', configurationFile, json: true, watch: true })
  t.same(read('trace --json a4-b@x'), { kind: 'trace', configurationFile, call: 'a4-b@x', json: true, follow: false })
  t.same(read('trace x --follow --config y'), {
    kind: 'trace',
    configurationFile: 'y',
    call: 'x',
    json: false,
    follow: true,
  })
  t.end()
})
