import t from 'tap'
import { DeskClient, DeskError, type PaymentState } from '../../src/demo/desk-client.ts'
import { serveHttp, type HttpAnswer, type HttpAsked } from '../fakes/http-answers.ts'

const TOKEN = 'a bearer token'
const PAYMENT: PaymentState = {
  state: 'opening',
  masking: 'hard',
  token: null,
  lastFour: null,
  failure: null,
  openMs: null,
  fields: [{ name: 'card-number', state: 'entering', entered: 3, problem: null }],
}
const ok = (value: unknown): HttpAnswer => ({ status: 200, body: JSON.stringify(value) })

async function desk(t: Parameters<typeof serveHttp>[0], answer: (asked: HttpAsked) => HttpAnswer) {
  const server = await serveHttp(t, answer)
  return { client: new DeskClient({ address: server.address, token: TOKEN }), asked: server.asked }
}

t.test('each order is one request of the API with the bearer token', async (t) => {
  const { client, asked } = await desk(t, () => ok(PAYMENT))
  await client.openWindow('call', { form: 'card', masking: 'hard' })
  await client.clearField('call')
  await client.cancelWindow('call')
  t.same(await client.payment('call'), PAYMENT)
  t.same(
    asked.map(({ method, path, body }) => [method, path, body]),
    [
      ['POST', '/api/v1/calls/call/windows', '{"form":"card","masking":"hard"}'],
      ['POST', '/api/v1/calls/call/window/clear', ''],
      ['DELETE', '/api/v1/calls/call/window', ''],
      ['GET', '/api/v1/calls/call/window', ''],
    ],
  )
  for (const { authorization } of asked) t.equal(authorization, `Bearer ${TOKEN}`)
})

t.test('a call is waited for until the desk shows it', async (t) => {
  const { client, asked } = await desk(t, () => ok({ calls: asked.length < 3 ? [] : [{ callId: 'found' }] }))
  t.equal(await client.findCall('id@host', { deadlineMs: 5_000 }), 'found')
  t.equal(asked.length, 3)
  t.equal(asked[0]?.path, '/api/v1/calls?sipCallId=id%40host')
})

t.test('a call that is never shown is given up in time', async (t) => {
  const { client } = await desk(t, () => ok({ calls: [] }))
  const startedMs = performance.now()
  await t.rejects(client.findCall('id', { deadlineMs: 100 }), new DeskError('call_not_shown'))
  t.ok(performance.now() - startedMs >= 100)
})

t.test('a payment is waited for until it is as asked, or given up in time', async (t) => {
  const { client, asked } = await desk(t, () => ok({ ...PAYMENT, state: asked.length < 3 ? 'opening' : 'capturing' }))
  const reached = await client.until('call', ({ state }) => state === 'capturing', { deadlineMs: 5_000 })
  t.equal(reached.state, 'capturing')
  await t.rejects(
    client.until('call', () => false, { deadlineMs: 100 }),
    new DeskError('timeout'),
  )
})

t.test('a refusal is thrown with the code of the API, and ends the waiting', async (t) => {
  const { client, asked } = await desk(t, () => ({ status: 409, body: '{"code":"window_open","title":"x"}' }))
  await t.rejects(client.openWindow('call', { form: 'card', masking: 'hard' }), new DeskError('window_open'))
  await t.rejects(
    client.until('call', () => true, { deadlineMs: 5_000 }),
    new DeskError('window_open'),
  )
  t.equal(asked.length, 2)
})

t.test('a refusal that is not of the API is thrown with its status', async (t) => {
  for (const body of ['', '<html>', '{}', '{"code":7}', 'null', '[]']) {
    const { client } = await desk(t, () => ({ status: 502, body }))
    await t.rejects(client.payment('call'), new DeskError('502'))
  }
})

t.test('an answer that is not what was asked for is refused', async (t) => {
  for (const body of ['', 'not json', 'null', '7', '{}', '{"calls":7}', '{"calls":[7]}', '{"calls":[{"callId":7}]}']) {
    const { client } = await desk(t, () => ({ status: 200, body }))
    await t.rejects(client.findCall('id', { deadlineMs: 1_000 }), new DeskError('malformed_answer'), body)
  }
  for (const body of [
    '',
    'not json',
    'null',
    '[]',
    '{"state":7}',
    '{"state":"closed"}',
    JSON.stringify({ ...PAYMENT, fields: [{}] }),
  ]) {
    const { client } = await desk(t, () => ({ status: 200, body }))
    await t.rejects(client.payment('call'), new DeskError('malformed_answer'), body)
  }
})

t.test('a desk that hangs up is no answer', async (t) => {
  const { client } = await desk(t, () => 'hang up')
  await t.rejects(client.payment('call'), TypeError)
})
