import { basename } from 'node:path'
import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { missingCertificates } from '../../src/main/missing-certificates.ts'

t.test(
  'a production site wants the authority, and certificate and key of each process; a development site makes them',
  (t) => {
    const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
    if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
    const { sip } = loaded.configuration
    const both = (role: string): readonly string[] => [`${role}.crt`, `${role}.key`]
    const folder = t.testdir(Object.fromEntries(['ca.crt', ...both('sbc'), 'desk.crt'].map((name) => [name, ''])))
    const certificates = { folder, development: false, revoked: null }
    const missing = (server: 'embedded' | 'drachtio') =>
      missingCertificates({ certificates, sip: { ...sip, server } }).map((file) => basename(file))
    t.same(missing('embedded'), [...both('sipd'), ...both('guard'), ...both('vault'), 'desk.key'])
    t.same(missing('drachtio'), [...both('guard'), ...both('vault'), 'desk.key'], 'a drachtio-server has none of ours')
    t.same(missingCertificates({ certificates: { ...certificates, development: true }, sip }), [])
    t.end()
  },
)
