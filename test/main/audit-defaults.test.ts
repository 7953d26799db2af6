import t from 'tap'
import { completeAudit } from '../../src/main/audit-defaults.ts'

const options = { dataFolder: '/data', file: (name: string) => `/etc/${name}` }

t.test('files are kept in the data folder unless told, and nothing goes elsewhere', (t) => {
  t.same(completeAudit({}, options), {
    signingKey: null,
    folder: '/data/audit',
    syslog: null,
    timeServer: null,
    backlogMax: 10_000,
    onlineMonths: 3,
    keptMonths: 12,
  })
  t.match(completeAudit({ folder: null, syslog: null, timeServer: null }, options), { folder: null, syslog: null })
  t.end()
})

t.test('what is named counts from the configuration’s folder, and ports are the usual ones', (t) => {
  const written = {
    signingKey: 'sign.pem',
    folder: 'audit',
    syslog: { host: 'logs.test', authority: 'ca.pem', certificate: 'own.pem', key: 'own.key' },
    timeServer: { host: '192.0.2.1' },
    backlogMax: 7,
    onlineMonths: 4,
    keptMonths: 18,
  }
  t.same(completeAudit(written, options), {
    signingKey: '/etc/sign.pem',
    folder: '/etc/audit',
    syslog: {
      host: 'logs.test',
      port: 6_514,
      authority: '/etc/ca.pem',
      name: null,
      certificate: '/etc/own.pem',
      key: '/etc/own.key',
    },
    timeServer: { host: '192.0.2.1', port: 123 },
    backlogMax: 7,
    onlineMonths: 4,
    keptMonths: 18,
  })
  t.end()
})
