import t from 'tap'
import { calledNumber } from '../../src/sbc/called-number.ts'

const trunk = { numbers: { in: [{ prefix: '0', strip: 1, prepend: '+49' }], out: [] } }
const EMERGENCY = ['112', '911']

t.test('the number is read from sip and tel URIs, by the rules of the trunk', (t) => {
  const cases = [
    ['sip:089123@sbc.example.com', '+4989123'],
    ['sip:+4989123;npdi;rn=+4989000@sbc;user=phone', '+4989123'],
    ['tel:+49-89-(123)', '+4989123'],
    ['tel:7042;phone-context=example.com', '7042'],
    ['sip:sbc.example.com', ''],
    ['urn:service:counseling', ''],
  ] as const
  for (const [uri, number] of cases) t.same(calledNumber(uri, trunk, EMERGENCY), { number, isEmergency: false }, uri)
  t.end()
})

t.test('an emergency is known with and without the rules, and by its service', (t) => {
  for (const uri of ['sip:112@sbc', 'tel:911;phone-context=+1', 'sip:112;x=y@sbc;user=phone'])
    t.ok(calledNumber(uri, trunk, EMERGENCY).isEmergency, uri)
  const prefixed = { numbers: { in: [{ prefix: '9', strip: 1, prepend: '' }], out: [] } }
  t.same(calledNumber('sip:9112@pbx', prefixed, EMERGENCY), { number: '112', isEmergency: true })
  t.same(calledNumber('sip:911@pbx', prefixed, EMERGENCY), { number: '11', isEmergency: true }, 'as it was dialled')
  t.same(calledNumber('urn:service:sos.police', trunk, EMERGENCY), { number: '112', isEmergency: true })
  t.same(calledNumber('urn:service:sos', trunk, []), { number: '', isEmergency: false })
  t.notOk(calledNumber('sip:1123@sbc', trunk, EMERGENCY).isEmergency, 'a longer number is another one')
  t.end()
})
