import t from 'tap'
import { keysTaken } from '../../src/demo/guard-counters.ts'
import { serveHttp } from '../fakes/http-answers.ts'

const METRICS = `# HELP tonewall_guard_keys_total Keys taken
# TYPE tonewall_guard_keys_total counter
tonewall_guard_keys_total{transport="events"} 12
tonewall_guard_keys_total{transport="tone"} 3
tonewall_guard_keys_total_other 100
tonewall_guard_windows_open 7
`

t.test('the keys of all guards and transports are summed, and nothing else', async (t) => {
  const two = await serveHttp(t, () => ({ status: 200, body: METRICS }))
  const plain = await serveHttp(t, () => ({ status: 200, body: 'tonewall_guard_keys_total 5\n' }))
  const none = await serveHttp(t, () => ({ status: 200, body: '' }))
  t.equal(await keysTaken([`${two.address}/metrics`, `${plain.address}/metrics`, `${none.address}/metrics`]), 20)
  t.equal(await keysTaken([]), 0)
})

t.test('a guard that gives no answer makes the count unknown, not less', async (t) => {
  const gone = await serveHttp(t, () => 'hang up')
  const up = await serveHttp(t, () => ({ status: 200, body: METRICS }))
  await t.rejects(keysTaken([`${up.address}/metrics`, `${gone.address}/metrics`]))
})
