import t from 'tap'
import { mayAsk, rolesAllowed } from '../../../src/cde/vault/permissions.ts'
import { ROLES } from '../../../src/kit/identity.ts'

t.test('only the guard may tokenize or authorize', (t) => {
  for (const role of ROLES) {
    t.equal(mayAsk(role, 'tokenize'), role === 'guard')
    t.equal(mayAsk(role, 'authorize'), role === 'guard')
  }
  t.same(rolesAllowed(), ['guard'])
  t.end()
})
