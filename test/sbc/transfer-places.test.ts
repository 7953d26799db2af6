import t from 'tap'
import { CallDirectory } from '../../src/sbc/call-directory.ts'
import { readReferTo } from '../../src/sbc/refer-target.ts'
import { transferPlaces, trunksFor, type PlaceOrder } from '../../src/sbc/transfer-places.ts'
import { Trunks } from '../../src/sbc/trunks.ts'
import { FakeDialog, FakeSip } from '../fakes/fake-sip.ts'
import { QuickCall, quickSdp } from '../fakes/quick-call.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

const trunks = new Trunks({
  trunks: [
    testTrunk({ name: 'carrier', side: 'carrier', sources: ['192.0.2.1'], target: { host: '192.0.2.1', port: 5060 } }),
    testTrunk({
      name: 'centre',
      side: 'contact-centre',
      sources: ['10.0.0.0/24'],
      target: { host: 'PBX.example.com', port: 5060 },
    }),
    testTrunk({
      name: 'branch',
      side: 'contact-centre',
      sources: ['10.1.0.1'],
      target: { host: '10.1.0.1', port: 5060 },
    }),
  ],
  routes: [{ from: 'centre', prefix: '0', merchant: null, to: [{ trunk: 'carrier', priority: 1, weight: 1 }] }],
})
const centre = trunks.bySource('10.0.0.1')
const carrier = trunks.bySource('192.0.2.1')
if (centre === null || carrier === null) throw new Error('no trunk')

function target(value: string) {
  const read = readReferTo(value)
  if (read === null) throw new Error('no target')
  return read
}
const names = (value: string) => trunksFor({ target: target(value), from: centre }, trunks).map(({ name }) => name)

t.test('a target at the PBX goes back there, any other by the number, and Replaces where its dialog is', (t) => {
  t.same(names('<sip:201@pbx.example.com>'), ['centre'])
  t.same(names('<sip:201@10.0.0.77>'), ['centre'], 'one of its source addresses')
  t.same(names('<sip:201@10.1.0.1>'), ['branch'], 'another PBX')
  t.same(names('<sip:089123@192.0.2.1>'), ['carrier'], 'by its number, whatever the host says')
  t.same(names('<sip:5@192.0.2.1>'), [], 'nobody chooses a carrier by its address')
  t.same(names('<sip:089123@sbc.example.com>'), ['carrier'])
  t.same(names('<tel:089123>'), ['carrier'])
  t.same(names('<sip:201@elsewhere.example.com>'), [], 'no route')
  t.same(names('<sip:0201@elsewhere.example.com?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2>'), ['centre'])
  t.end()
})

t.test('what a service wrote for itself goes back to it alone', (t) => {
  t.same(names('<sip:pbx.example.com;x-m=1>'), ['centre'])
  t.same(names('<sip:10.0.0.77;x-m=1>'), [], 'without a number an address of the range names nobody')
  t.same(names('<sip:192.0.2.1;x-m=1>'), [])
  t.same(names('<sip:089@elsewhere.example.com;x-m=1>'), ['carrier'], 'by its number')
  t.end()
})

function placesOf(sip: FakeSip, directory = new CallDirectory()) {
  const leg = {
    sip,
    health: { isAvailable: () => true, avoid: () => undefined },
    secrets: { credentials: () => null },
    chance: () => 0,
  }
  return transferPlaces({ directory, setUp: () => ({ sip, leg, trunks }) })
}

function order(value: string): PlaceOrder {
  return {
    target: target(value),
    from: centre as NonNullable<typeof centre>,
    callingNumber: '4989',
    referredBy: '<sip:anna@pbx.example.com>',
    offer: () => Promise.resolve({ kind: 'ok', sdp: quickSdp(4_000) }),
    signal: new AbortController().signal,
    ringing: () => undefined,
  }
}

t.test(
  'an address of the service’s own is asked for as it was written, at the target, and who referred whole',
  async (t) => {
    const sip = new FakeSip()
    const referredBy = `<sip:pbx.example.com;x-m=8:orgid:1;x-tt=${'a'.repeat(600)}>`
    const written = 'sip:PBX.example.com:9999;transport=udp;x-m=8:orgid:2'
    void placesOf(sip).place({ ...order(`<${written}>`), referredBy })
    const invite = await sip.sentInvite()
    t.equal(invite.uri, written)
    t.equal(invite.headers['Referred-By'], referredBy)
    t.match(
      invite,
      { proxy: /^sip:PBX\.example\.com:5060;transport=/ },
      'by the way of the trunk, whatever was written',
    )
  },
)

t.test('whoever is called is told the payer’s number, Replaces and, on the same side, who referred', async (t) => {
  const sip = new FakeSip()
  const placing = placesOf(sip).place(order('<sip:201@pbx.example.com?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2>'))
  const invite = await sip.sentInvite()
  t.match(invite, {
    uri: /^sip:201@PBX\.example\.com/,
    callingNumber: '4989',
    headers: { Replaces: 'a;to-tag=1;from-tag=2', 'Referred-By': '<sip:anna@pbx.example.com>' },
  })
  const dialog = new FakeDialog({ callId: 'x', sdp: '' })
  invite.answer(dialog, { body: quickSdp(5_000), headers: { Contact: '<sip:bob@10.0.0.7>' } })
  t.match(await placing, { kind: 'answered', dialog, agent: 'bob', trunk: { name: 'centre' } })
})

t.test('the other side is not told who referred, and what no route knows is not called', async (t) => {
  const sip = new FakeSip()
  const placing = placesOf(sip).place(order('<sip:089123@sbc.example.com>'))
  const invite = await sip.sentInvite()
  t.notOk('Referred-By' in invite.headers)
  invite.reject(486)
  t.match(await placing, { kind: 'rejected', status: 486 })
  t.match(await placesOf(sip).place(order('<sip:9@sbc.example.com>')), { kind: 'rejected', status: 404 })
})

t.test('a dialog of ours is found by all three parts of its name, from its own side alone', async (t) => {
  const quick = await QuickCall.start()
  const directory = new CallDirectory()
  directory.add(quick.call)
  const places = placesOf(new FakeSip(), directory)
  const name = { ...quick.dialogs.agent.sip }
  t.equal(places.find(name, centre)?.leg.dialog, quick.dialogs.agent)
  t.equal(places.find(name, carrier), null)
  for (const part of ['callId', 'localTag', 'remoteTag'] as const)
    t.equal(places.find({ ...name, [part]: 'x' }, centre), null)
  quick.close()
})

t.end()
