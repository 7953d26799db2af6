import t from 'tap'
import { isScanner } from '../../src/kit/scanner-names.ts'

t.test(
  'programs that search for SIP servers are known by name, telephones and exchanges are not taken for them',
  (t) => {
    for (const name of ['friendly-scanner', 'sipcli/v1.8', 'VaxSIPUserAgent/3.1', 'pplsip', 'sundayddr', 'SIPVicious'])
      t.ok(isScanner(name), name)
    for (const name of ['Asterisk PBX 20.1', 'Yealink SIP-T46U 108.86', 'SIPp', 'Tonewall', '', undefined])
      t.notOk(isScanner(name), name ?? 'none')
    t.end()
  },
)
