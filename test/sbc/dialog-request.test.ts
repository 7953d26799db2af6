import t from 'tap'
import { askInDialog } from '../../src/sbc/dialog-request.ts'
import type { SipDialog } from '../../src/sbc/sip-server.ts'
import { FakeMessage } from '../fakes/fake-sip.ts'

const ask = (request: SipDialog['request']) => askInDialog({ request }, { method: 'INFO' }, 20)

t.test('a request in a dialog has a status in time, whatever becomes of it', async (t) => {
  t.equal(await ask(() => Promise.resolve(Object.assign(new FakeMessage(), { status: 481 }))), 481)
  t.equal(await ask(() => Promise.reject(new Error('not sent'))), 503)
  t.equal(await ask(() => new Promise(() => undefined)), 408, 'the SIP server was lost')
})

t.end()
