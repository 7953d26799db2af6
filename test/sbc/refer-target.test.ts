import t from 'tap'
import { readReferTo, readReplaces } from '../../src/sbc/refer-target.ts'

t.test('a Refer-To names a number at a host, in every form that telephones write', (t) => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['<sip:201@pbx.example.com>', '201', 'pbx.example.com'],
    ['sip:201@192.0.2.1:5080', '201', '192.0.2.1'],
    ['sip:201@192.0.2.1;transport=tcp', '201', '192.0.2.1'],
    ['"Bob, at home" <sips:bob@[2001:db8::1]:5061;user=phone>;x=1', 'bob', '2001:db8::1'],
    ['Bob <sip:%2B4989@PBX.example.com;method=INVITE>', '+4989', 'pbx.example.com'],
    ['<tel:+498912345>', '+498912345', ''],
  ]
  for (const [value, number, host] of cases)
    t.same(readReferTo(value), { number, uri: null, host, replaces: null }, value)
  t.end()
})

t.test('an address with parameters of its own is kept as it was written, without headers', (t) => {
  const service = 'sip:sip.service.example:5061;transport=tls;x-m=8:orgid:fce2;x-t=2d88'
  const kept = { number: '', uri: service, host: 'sip.service.example', replaces: null }
  t.same(readReferTo(`<${service}>`), kept)
  t.same(readReferTo(`<${service}?X-A=b>`), kept)
  const withUser = service.replace('sip.s', '+4989@sip.s')
  t.match(readReferTo(`<${withUser}>`), { number: '+4989', uri: withUser })
  t.match(readReferTo('<sip:201@pbx.example.com;transport=tcp;user=phone>'), { number: '201', uri: null })
  t.equal(readReferTo('<sip:sip.service.example;transport=tls>'), null, 'nobody in particular')
  t.equal(readReferTo('<sip:sip.service.example;x-m="a b">'), null)
  t.end()
})

t.test('a Refer-To with Replaces names the dialog, unescaped (RFC 3891 section 4)', (t) => {
  const target = readReferTo('<sip:201@pbx.example.com?Replaces=a%40b%3Bto-tag%3D7%3Bfrom-tag%3D8&Require=replaces>')
  t.same(target?.replaces, {
    value: 'a@b;to-tag=7;from-tag=8',
    dialog: { callId: 'a@b', localTag: '7', remoteTag: '8', earlyOnly: false },
  })
  t.end()
})

t.test('what names nobody, more than one, or no call is refused', (t) => {
  const values = [
    undefined,
    '',
    '<mailto:bob@example.com>',
    '<sip:pbx.example.com>',
    '<sip:1@a>, <sip:2@b>',
    'sip:1@a,sip:2@b',
    '<sip:1@a;method=BYE>',
    '<sip:1@a;method=SUBSCRIBE>',
    '<sip:1@a?Replaces=nonsense>',
    '<sip:1@a?Replaces=%zz>',
    '<sip:1@a?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2%0d%0aVia:x>',
    `<sip:${'1'.repeat(2_000)}@a>`,
  ]
  for (const value of values) t.equal(readReferTo(value), null, value?.slice(0, 60) ?? 'none')
  t.end()
})

t.test('Replaces is read by its own rules: both tags, once each (RFC 3891 section 6.1)', (t) => {
  t.same(readReplaces('98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff'), {
    callId: '98732@sip.example.com',
    localTag: 'ff87ff',
    remoteTag: 'r33th4x0r',
    earlyOnly: false,
  })
  t.match(readReplaces('a;to-tag=1;from-tag=2;early-only'), { earlyOnly: true })
  const bad = [
    undefined,
    '',
    'a',
    'a;to-tag=1',
    'a;from-tag=1',
    'a;to-tag=1;to-tag=2;from-tag=3',
    'a b;to-tag=1;from-tag=2',
  ]
  for (const value of [...bad, `${'a'.repeat(700)};to-tag=1;from-tag=2`]) t.equal(readReplaces(value), null)
  t.end()
})

t.end()
