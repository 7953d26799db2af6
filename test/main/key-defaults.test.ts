import t from 'tap'
import { completeKeys, missingSection } from '../../src/main/key-defaults.ts'

const file = (name: string): string => `/site/${name}`

t.test('without a word the key is a file of the vault, and data keys last a quarter', (t) => {
  t.same(completeKeys({}, file), { kek: { provider: 'file', file: null }, former: [], cryptoperiodDays: 90 })
  t.same(completeKeys({ file: 'key' }, file).kek, { provider: 'file', file: '/site/key' })
  t.end()
})

t.test('each provider has its section, and file names become absolute', (t) => {
  const pkcs11 = { library: 'hsm.so', token: 't', key: 'k', pinFile: 'pin' }
  const awsKms = { region: 'eu-central-1', key: 'alias/vault', credentialsFile: 'aws' }
  const transit = { url: 'https://bao.example:8200', key: 'vault', tokenFile: 'token', authority: 'ca.pem' }
  const completed = completeKeys(
    {
      provider: 'pkcs11',
      pkcs11,
      former: [
        { provider: 'aws-kms', awsKms },
        { provider: 'transit', transit },
      ],
    },
    file,
  )
  t.same(completed.kek, {
    ...{ provider: 'pkcs11', library: '/site/hsm.so', token: 't', key: 'k', pinFile: '/site/pin', environment: {} },
  })
  t.match(completed.former, [
    { provider: 'aws-kms', region: 'eu-central-1', credentialsFile: '/site/aws', endpoint: null, authority: null },
    { provider: 'transit', mount: 'transit', tokenFile: '/site/token', authority: '/site/ca.pem', namespace: null },
  ])
  t.same(completeKeys({ provider: 'custodians', cryptoperiodDays: 30 }, file), {
    ...{ kek: { provider: 'custodians' }, former: [], cryptoperiodDays: 30 },
  })
  t.end()
})

t.test('a provider without its section is noticed', (t) => {
  t.equal(missingSection({ provider: 'pkcs11' }), 'pkcs11')
  t.equal(missingSection({ provider: 'aws-kms', awsKms: null }), 'awsKms')
  t.equal(missingSection({ provider: 'transit' }), 'transit')
  t.equal(missingSection({ provider: 'custodians' }), null)
  t.equal(missingSection({}), null)
  t.end()
})
