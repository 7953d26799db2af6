import t from 'tap'
import type { Flow } from '../../src/sipd/flow.ts'
import type { HepMessage } from '../../src/sipd/hep.ts'
import { MessageTrace } from '../../src/sipd/message-trace.ts'
import { MessageWatch } from '../../src/sipd/message-watch.ts'

const INVITE = Buffer.from(
  'INVITE sip:b@y SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKa\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n',
)
const FLOW: Flow = {
  transport: 'udp',
  reliable: false,
  local: { host: '127.0.0.1', port: 5060 },
  remote: { host: '127.0.0.2', port: 5070 },
  send: () => undefined,
}

function watch(options: { readonly homer?: (message: Omit<HepMessage, 'captureId'>) => void } = {}) {
  const trace = new MessageTrace()
  let failures = 0
  const { homer } = options
  const watched = new MessageWatch({
    trace,
    homer: homer === undefined ? null : { send: homer },
    dateMs: () => 1_795_335_000_000,
    failed: () => (failures += 1),
  })
  return { trace, watched, failures: () => failures }
}

t.test('a message goes to the trace and to Homer, from where it came and where it went', (t) => {
  const told: Omit<HepMessage, 'captureId'>[] = []
  const { trace, watched } = watch({ homer: (message) => told.push(message) })
  watched.take('received', INVITE, FLOW)
  watched.take('sent', INVITE, FLOW)
  t.match(trace.of(['c']), [
    { direction: 'received', local: '127.0.0.1:5060', remote: '127.0.0.2:5070', atMs: 1_795_335_000_000 },
    { direction: 'sent' },
  ])
  t.match(told, [
    { source: FLOW.remote, destination: FLOW.local, correlationId: 'c' },
    { source: FLOW.local, destination: FLOW.remote },
  ])
  t.end()
})

t.test('a listener that shows a name is told to Homer by a number', (t) => {
  const told: Omit<HepMessage, 'captureId'>[] = []
  const { watched } = watch({ homer: (message) => told.push(message) })
  watched.take('received', INVITE, { ...FLOW, transport: 'tls', local: { host: 'sip.example.com', port: 5061 } })
  t.match(told[0]?.destination, { host: '127.0.0.1', port: 5061 })
  t.end()
})

t.test('nothing throws: a failure is counted, what is no message is passed over', (t) => {
  const { trace, watched, failures } = watch({
    homer: () => {
      throw new Error('broken')
    },
  })
  watched.take('received', Buffer.from('\r\n\r\n'), FLOW)
  t.equal(failures(), 0)
  watched.take('received', INVITE, FLOW)
  t.equal(failures(), 1)
  t.equal(trace.of(['c']).length, 1)
  t.end()
})
