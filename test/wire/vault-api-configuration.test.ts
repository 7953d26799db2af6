import t from 'tap'
import { ROLES } from '../../src/kit/identity.ts'
import { CLIENT_ROLES } from '../../src/wire/vault-api-configuration.ts'

t.test('no client of the vault’s API has the role of one of our processes', (t) => {
  for (const role of CLIENT_ROLES) t.equal((ROLES as readonly string[]).includes(role), false)
  t.equal(new Set(CLIENT_ROLES).size, CLIENT_ROLES.length)
  t.end()
})
