import t from 'tap'
import { identityHeaders } from '../../src/sbc/identity-headers.ts'
import { testTrunk } from '../fakes/test-trunk.ts'

const SENT = {
  'p-asserted-identity': '"Anna, Dr." <sip:089123@secret.example.com;user=phone>, <tel:+49-89-123>',
  'P-Preferred-Identity': '<sip:089124@secret.example.com>',
  'Remote-Party-ID': '<sip:089123@secret>;party=calling;privacy=off;x-secret=1',
  Diversion: '<sip:089200@secret>;reason=user-busy;counter=1, <sip:089201@secret>;privacy=full',
  'history-info':
    '<sip:089200@secret?Reason=SIP%3Bcause%3D302%3Btext%3D%22secret%22>;index=1;secret=1, <sip:089201@secret?Privacy=history>;index=1.1',
  'User-to-User': '56a390f3;encoding=hex',
}

function pass(options: {
  readonly from: boolean
  readonly to: boolean
  readonly privacy?: string
  readonly headers?: Readonly<Record<string, string>>
}) {
  const rules = [{ prefix: '0', strip: 1, prepend: '+49' }]
  return identityHeaders({
    headers: { ...(options.headers ?? SENT), ...(options.privacy === undefined ? {} : { Privacy: options.privacy }) },
    caller: testTrunk({ name: 'caller', side: 'contact-centre', trusted: options.from, numbers: { in: rules } }),
    callee: testTrunk({
      name: 'callee',
      side: 'carrier',
      trusted: options.to,
      target: { host: 'carrier.example.com', port: null },
    }),
  })
}

t.test(
  'between trusted trunks who calls and which way it came pass, with hosts of ours and numbers by the rules',
  (t) => {
    t.same(pass({ from: true, to: true, privacy: 'id' }), {
      isAnonymous: false,
      headers: {
        Privacy: 'id',
        'P-Asserted-Identity': '"Anna, Dr." <sip:+4989123@localhost>, <tel:+4989123>',
        'P-Preferred-Identity': '<sip:+4989124@carrier.example.com>',
        'Remote-Party-ID': '<sip:+4989123@carrier.example.com>;party=calling;privacy=off',
        Diversion:
          '<sip:+4989200@carrier.example.com>;reason=user-busy;counter=1, <sip:+4989201@carrier.example.com>;privacy=full',
        'History-Info':
          '<sip:+4989200@carrier.example.com?Reason=SIP%3Bcause%3D302>;index=1, <sip:+4989201@carrier.example.com>;index=1.1',
        'User-to-User': '56a390f3;encoding=hex',
      },
    })
    t.end()
  },
)

t.test('from a trunk that is not trusted nothing is believed', (t) => {
  t.same(pass({ from: false, to: true }), { headers: {}, isAnonymous: false })
  t.same(pass({ from: false, to: true, privacy: 'id;critical' }), {
    headers: { Privacy: 'id;critical' },
    isAnonymous: false,
  })
  t.same(pass({ from: false, to: false, privacy: 'id' }), { headers: {}, isAnonymous: true })
  t.end()
})

t.test('a caller who asks for privacy stays unknown to a trunk that is not trusted', (t) => {
  for (const privacy of ['id', 'user', 'header;id', 'session']) {
    const { headers, isAnonymous } = pass({ from: true, to: false, privacy })
    t.ok(isAnonymous, privacy)
    t.same(
      [headers['P-Asserted-Identity'], headers['Remote-Party-ID'], headers['Privacy']],
      [undefined, undefined, undefined],
    )
  }
  const open = pass({ from: true, to: false, privacy: 'none' })
  t.notOk(open.isAnonymous)
  t.match(open.headers['P-Asserted-Identity'], '+4989123', 'without the wish it passes (RFC 3325 section 5)')
  t.notMatch(open.headers['Diversion'], '89201', 'a diversion that asks for itself is left out')
  t.notMatch(open.headers['History-Info'], '89201')
  t.equal(pass({ from: true, to: false, privacy: 'history' }).headers['History-Info'], undefined)
  t.end()
})

t.test('no host, name or text of the far side is in anything that passes', (t) => {
  t.notMatch(JSON.stringify(pass({ from: true, to: true })), /secret/)
  t.end()
})

t.test('values that cannot be read, or could harm, are left out', (t) => {
  const headers = {
    'P-Asserted-Identity': 'nonsense, <sip:host-only>, <sip:1@a\r\nVia: x>, "a" <sip:0%0d%0aVia@x>',
    Diversion: '<sip:1@a>;reason=x"y;counter=<1>',
    'User-to-User': 'ü',
  }
  t.same(pass({ from: true, to: true, headers }).headers, { Diversion: '<sip:1@carrier.example.com>;reason=x' })
  const long = { 'History-Info': Array.from({ length: 40 }, (_, index) => `<sip:1@a>;index=${index}`).join() }
  t.equal(pass({ from: true, to: true, headers: long }).headers['History-Info']?.split(',').length, 10)
  t.end()
})
