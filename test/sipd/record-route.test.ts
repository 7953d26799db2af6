import t from 'tap'
import { listOf, type SipRequest } from '../../src/sipd/message.ts'
import { RecordRoute } from '../../src/sipd/record-route.ts'
import { fakeFlow, fakeRequest } from './fake-flow.ts'

const ours = (host: string, port: number | undefined): boolean => host === '192.0.2.1' && port === 5060
const { flow } = fakeFlow()
const tcp = fakeFlow({ transport: 'tcp' }).flow

function later(uri: string, route: readonly string[], callId = 'fake'): SipRequest {
  return {
    ...fakeRequest('BYE', { 'call-id': callId, ...(route.length === 0 ? {} : { route: route.join(', ') }) }),
    uri,
  }
}

t.test('one entry where nothing changes, two where the transport does, sips for a sips call', (t) => {
  const recordRoute = new RecordRoute(ours)
  const invite = fakeRequest('INVITE')
  t.equal(recordRoute.entries(invite, { from: flow, to: flow }).length, 1)
  const [outer, inner] = recordRoute.entries(invite, { from: flow, to: tcp }).map(({ value }) => value)
  t.match(outer, /^<sip:[0-9a-f]{32}@192\.0\.2\.1:5060;transport=tcp;lr>$/)
  t.match(inner, /^<sip:[0-9a-f]{32}@192\.0\.2\.1:5060;lr>$/)
  const secure = recordRoute.entries({ ...invite, uri: 'sips:b@x.test' }, { from: tcp, to: tcp })
  t.match(secure[0]?.value, /^<sips:[0-9a-f]{32}@192\.0\.2\.1:5060;lr>$/)
  t.end()
})

t.test('our entries come off again, loose or strict, and only those of this call count', (t) => {
  const recordRoute = new RecordRoute(ours)
  const [outer, inner] = recordRoute.entries(fakeRequest('INVITE'), { from: flow, to: tcp }).map(({ value }) => value)
  if (outer === undefined || inner === undefined) throw new Error('no entries')
  const next = '<sip:192.0.2.7;lr>'
  const loose = recordRoute.strip(later('sip:b@192.0.2.2', [outer, inner, next]))
  t.ok(loose.proxied)
  t.same(listOf(loose.request, 'route'), [next])
  const strict = recordRoute.strip(later(outer.slice(1, -1), [inner, next, '<sip:b@192.0.2.2>']))
  t.ok(strict.proxied)
  t.equal(strict.request.uri, 'sip:b@192.0.2.2')
  t.same(listOf(strict.request, 'route'), [next])
  for (const [title, request] of Object.entries({
    'another call': later('sip:b@192.0.2.2', [outer], 'other'),
    'no token': later('sip:b@192.0.2.2', ['<sip:192.0.2.1:5060;lr>']),
    'a forged token': later('sip:b@192.0.2.2', [`<sip:${'a'.repeat(32)}@192.0.2.1:5060;lr>`]),
  })) {
    const found = recordRoute.strip(request)
    t.notOk(found.proxied, title)
    t.same(listOf(found.request, 'route'), [], 'it was ours all the same')
  }
  const foreign = later('sip:b@192.0.2.2', [next])
  t.same(recordRoute.strip(foreign), { request: foreign, proxied: false })
  t.notOk(
    new RecordRoute(ours).strip(later('sip:b@192.0.2.2', [outer])).proxied,
    'a server that restarted knows no call',
  )
  t.notOk(recordRoute.strip(later('sip:b@192.0.2.2', ['<<<', ',;', '<sip:@@>'])).proxied)
  t.end()
})
