import t from 'tap'
import { copyForTarget, isLoop, loopDigest, onFlow } from '../../src/sipd/forwarded-request.ts'
import { header, listOf, valueOf } from '../../src/sipd/message.ts'
import { fakeFlow, fakeRequest } from './fake-flow.ts'

t.test('a copy has the target, one hop less, and the headers given in place of its own', (t) => {
  const received = fakeRequest('INVITE', { subject: 'old', 'max-forwards': '5' })
  const given = [header('Subject', 'new'), header('From', '<sip:forged@x>'), header('Route', '<sip:x;lr>')]
  const { request, hop } = copyForTarget(received, 'sip:c@192.0.2.9:5070', given)
  t.equal(request.uri, 'sip:c@192.0.2.9:5070')
  t.same(
    ['max-forwards', 'subject', 'from', 'route'].map((key) => valueOf(request, key)),
    ['4', 'new', valueOf(received, 'from'), undefined],
  )
  t.match(hop, { host: '192.0.2.9', port: 5070 })
  t.equal(copyForTarget(received, 'sip:192.0.2.9;transport=tcp', []).request.uri, 'sip:b@192.0.2.9;transport=tcp')
  t.equal(copyForTarget(received, 'tel:+1', []).hop, undefined)
  t.end()
})

t.test('a loose Route is followed, a strict router gets what it expects', (t) => {
  const loose = copyForTarget(
    fakeRequest('BYE', { route: '<sip:192.0.2.7;lr>, <sip:192.0.2.8>' }),
    'sip:b@192.0.2.2',
    [],
  )
  t.match(loose, { request: { uri: 'sip:b@192.0.2.2' }, hop: { host: '192.0.2.7' } })
  const strict = copyForTarget(
    fakeRequest('BYE', { route: '<sip:192.0.2.7>, <sip:192.0.2.8;lr>' }),
    'sip:b@192.0.2.2',
    [],
  )
  t.match(strict, { request: { uri: 'sip:192.0.2.7' }, hop: { host: '192.0.2.7' } })
  t.same(listOf(strict.request, 'route'), ['<sip:192.0.2.8;lr>', '<sip:b@192.0.2.2>'])
  t.end()
})

t.test('a request that came back unchanged is a loop; another target, route or credential makes a spiral', (t) => {
  const received = fakeRequest('INVITE')
  const sent = onFlow(received, fakeFlow().flow, { loop: loopDigest(received), recordRoute: [] }).request
  const ours = (host: string, port: number | undefined): boolean => host === '192.0.2.1' && port === 5060
  const back = { ...sent, headers: [header('Via', 'SIP/2.0/UDP 192.0.2.50;branch=z9hG4bKx'), ...sent.headers] }
  t.ok(isLoop(back, loopDigest(back), ours))
  t.notOk(isLoop(received, loopDigest(received), ours))
  t.notOk(
    isLoop(back, loopDigest(back), () => false),
    'the branch of another proxy',
  )
  for (const changed of [
    { ...back, uri: 'sip:other@192.0.2.2' },
    { ...back, headers: [...back.headers, header('Route', '<sip:192.0.2.9;lr>')] },
    { ...back, headers: [...back.headers, header('Proxy-Authorization', 'Digest x')] },
  ])
    t.notOk(isLoop(changed, loopDigest(changed), ours))
  t.end()
})
