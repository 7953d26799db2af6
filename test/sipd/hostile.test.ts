import t from 'tap'
import { serialize, valueOf } from '../../src/sipd/message.ts'
import { application, serve } from './application.ts'
import { fakeRequest } from './fake-flow.ts'
import { RawPeer, SDP } from './raw-peer.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

const METHODS = ['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS', 'UPDATE', 'PRACK', 'INFO', 'REFER', 'DANCE']

/** Half-valid requests on few Call-IDs, tags and branches, so that they meet each other's transactions and dialogs. */
t.test('5,000 nonsensical but readable messages do not disturb the server', async (t) => {
  const { sipd, udp, metrics } = await serve(t, { limits: { t1Ms: 5, closeMs: 100 } })
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  await application(t, sipd, (srf) => {
    srf.use('options', (_, response) => response.send(200))
    srf.invite((request, response) => {
      if (request.get('call-id') === 'c1')
        void srf.createUAS(request, response, { localSdp: SDP }).catch(() => undefined)
      else if (request.get('call-id') === 'c2') response.send(183, { headers: { Require: '100rel' }, body: SDP })
      else response.send(486)
    })
  })
  const random = seededRandom(41).below
  let ourTag = 'none'
  for (let round = 0; round < 5_000; round += 1) {
    const method = METHODS[random(METHODS.length)] ?? 'OPTIONS'
    const cseq = `${random(4)} ${random(20) === 0 ? 'INVITE' : method}`
    const headers: Record<string, string> = {
      via: `SIP/2.0/UDP 127.0.0.1:${peer.address.port};branch=${random(9) === 0 ? '' : 'z9hG4bK'}${random(12)}${random(2) === 0 ? ';rport' : ''}`,
      from: `<sip:a@b>;tag=f${random(2)}`,
      to: random(2) === 0 ? '<sip:a@b>' : `<sip:a@b>;tag=${random(2) === 0 ? ourTag : 'x'}`,
      'call-id': `c${random(4)}`,
      cseq,
      supported: '100rel',
      rack: `${random(3)} ${random(4)} INVITE`,
      contact: ['<sip:a@127.0.0.1:9>', '*', 'sip:[::1', '<sip:a@[::1]:5060>', '"'][random(5)] ?? '',
      'record-route': ['<sip:x@y@z>', '<sip:127.0.0.1:9;lr>', '<tel:1>', ';;;'][random(4)] ?? '',
      'max-forwards': ['70', '0', 'x'][random(3)] ?? '',
    }
    peer.sendRaw(
      serialize(
        random(6) === 0
          ? { ...fakeRequest(method, headers), kind: 'response', status: 100 + random(599), reason: 'x' }
          : fakeRequest(method, headers, random(3) === 0 ? SDP : ''),
      ),
      udp,
    )
    if (round % 50 === 0) {
      peer.request(udp, { method: 'OPTIONS', headers: { 'call-id': `alive-${round}` } })
      await peer.next(
        (message) => message.kind === 'response' && valueOf(message, 'call-id') === `alive-${round}`,
        'still alive',
      )
      const tagged = peer.log.findLast(
        (message) => valueOf(message, 'to')?.includes(';tag=') === true && valueOf(message, 'call-id') === 'c1',
      )
      ourTag = (tagged === undefined ? undefined : valueOf(tagged, 'to')?.split(';tag=')[1]) ?? ourTag
    }
  }
  t.match(await metrics.registry.metrics(), /tonewall_sipd_faults_total\{role="sipd"\} 0/)
})
