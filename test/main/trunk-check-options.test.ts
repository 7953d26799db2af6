import t from 'tap'
import { parseCommandLine } from '../../src/main/command-line.ts'
import { DEFAULT_CONFIGURATION_FILE } from '../../src/main/configuration.ts'

const read = (line: string) => parseCommandLine(`trunk-check ${line}`.trim().split(' '))

t.test('a check calls, or waits to be called', (t) => {
  t.same(read('--accept'), {
    kind: 'trunk-check',
    mode: { kind: 'accept' },
    configurationFile: DEFAULT_CONFIGURATION_FILE,
    keys: 12,
    seconds: 120,
    json: null,
    address: null,
    port: 0,
    rtpPort: 0,
    from: 'tonewall',
  })
  t.match(
    read(
      '--call sip:1@carrier --keys 4 --seconds 30 --json - --address 192.0.2.1 --port 5060 --rtp-port 30000 --from +1',
    ),
    {
      mode: { kind: 'call', uri: 'sip:1@carrier' },
      keys: 4,
      seconds: 30,
      json: '-',
      address: '192.0.2.1',
      port: 5060,
      rtpPort: 30_000,
      from: '+1',
    },
  )
  t.end()
})

t.test('what does not fit is named', (t) => {
  for (const [line, text] of [
    ['', /either --call .* or --accept/],
    ['--accept --call sip:1@x', /either --call/],
    ['--accept now', /takes no now/],
    ['--accept --once', /takes no option --once/],
    ['--accept --keys 0', /--keys is a number/],
    ['--accept --seconds 9999', /--seconds is/],
    ['--accept --port 70000', /--port is/],
    ['--accept --rtp-port 4001', /even number/],
    ['--accept --address here', /IP address/],
    ['--accept --from a@b', /number or user name/],
  ] as const)
    t.match(read(line), { kind: 'refused', text })
  t.end()
})
