import t from 'tap'
import { certificateNames, certificateServes } from '../../src/sipd/certificate-names.ts'

const SUBJECT = { CN: 'Old.Example.com' } as never

t.test(
  'SIP URIs without a user, DNS names and addresses count; the common name only when nothing else is there',
  (t) => {
    const subjectaltname =
      'URI:sip:Example.com, URI:sip:alice@example.org, URI:https://web.example, DNS:Sbc.Example.net, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1'
    t.same(certificateNames({ subject: SUBJECT, subjectaltname }), [
      'example.com',
      'sbc.example.net',
      '192.0.2.1',
      '2001:db8::1',
    ])
    t.same(certificateNames({ subject: SUBJECT, subjectaltname: undefined as never }), ['old.example.com'])
    t.same(certificateNames({ subject: {}, subjectaltname: '' }), [])
    t.end()
  },
)

t.test('names are compared without case and without wildcards', (t) => {
  const certificate = { subject: SUBJECT, subjectaltname: 'DNS:sbc.example.net, DNS:*.example.com' }
  t.ok(certificateServes(certificate, ['other.example', 'SBC.example.net.']))
  for (const name of ['a.example.com', '*.example.com', 'old.example.com', 'example.net', '', 'xsbc.example.net'])
    t.notOk(certificateServes(certificate, [name]), name)
  t.notOk(certificateServes(certificate, []))
  t.end()
})

t.test('a wildcard stands for one label, where wildcards are taken at all', (t) => {
  const certificate = { subject: SUBJECT, subjectaltname: 'DNS:*.trunk.example, IP Address:192.0.2.1' }
  const wildcards = { wildcards: true }
  t.ok(certificateServes(certificate, ['shop.trunk.example'], wildcards))
  t.ok(certificateServes(certificate, ['192.0.2.1'], wildcards))
  for (const name of [
    'trunk.example',
    'a.b.trunk.example',
    '*.trunk.example',
    'example',
    '.trunk.example',
    '192.0.2.2',
  ])
    t.notOk(certificateServes(certificate, [name], wildcards), name)
  t.end()
})
