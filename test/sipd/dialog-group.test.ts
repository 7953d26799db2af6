import { Socket } from 'node:net'
import t from 'tap'
import { Application } from '../../src/sipd/control-server.ts'
import { Dialog } from '../../src/sipd/dialog.ts'
import { DialogGroup, DialogTable, dialogIdOf } from '../../src/sipd/dialog-group.ts'
import { fakeFlow, fakeRequest } from './fake-flow.ts'

const { flow } = fakeFlow()

t.test('a dialog is found by the application’s id and by Call-ID and our tag, until it is removed', (t) => {
  const table = new DialogTable()
  const dialog = Dialog.ofRequest(fakeRequest('INVITE'), { to: '<sip:b@b>;tag=b', sequence: 1, flow })
  const group = new DialogGroup(dialogIdOf('fake', 'a'), new Application(new Socket()), dialog)
  table.add(group)
  t.equal(table.byId('fake;from-tag=a'), group)
  t.equal(table.byLocalTag('fake', 'b'), group)
  t.equal(table.byLocalTag('fake', 'a'), undefined)
  t.ok(table.isTaken('fake;from-tag=a'))
  table.remove(group)
  t.equal(table.size, 0)
  table.reserve('x')
  table.reserve('x')
  table.release('x')
  t.ok(table.isTaken('x'))
  table.release('x')
  t.notOk(table.isTaken('x'))
  t.end()
})
