import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { seededRandom } from '../fakes/seeded-random.ts'
import { callOf, DONE, makeDeskBench, paymentOf, startFakeSbc } from './fake-sbc.ts'

const bench = makeDeskBench()
const sbc = await startFakeSbc(bench.certificates)
sbc.calls = [callOf('a', { payment: paymentOf() }), callOf('b', { agent: 'bob' })]
const desk = await bench.startDesk({ sbcPort: sbc.port })
t.teardown(async () => {
  await desk.close()
  await desk.close()
  await sbc.close()
  bench.remove()
})

type Answer = { readonly status: number; readonly headers: Headers; readonly body: Record<string, unknown> }

async function ask(path: string, options: RequestInit & { readonly token?: string } = {}): Promise<Answer> {
  const { token = bench.tokens.alice, ...rest } = options
  const headers = new Headers(rest.headers)
  headers.set('authorization', `Bearer ${token}`)
  const response = await fetch(`${desk.address}api/v1${path}`, { ...rest, headers })
  const text = await response.text()
  const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
  return { status: response.status, headers: response.headers, body }
}

const json = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
})
const idsOf = ({ body }: Answer) => (body['calls'] as { readonly callId: string }[]).map(({ callId }) => callId[0])

t.test('an agent lists its own calls only, and role all lists every call', async (t) => {
  t.same(idsOf(await ask('/calls')), ['a'])
  t.same(idsOf(await ask('/calls', { token: bench.tokens.bob })), ['b'])
  t.same(idsOf(await ask('/calls', { token: bench.tokens.all })).sort(), ['a', 'b'])
  t.same(idsOf(await ask('/calls?agent=bob', { token: bench.tokens.all })), ['b'])
})

t.test('a call is found by the Call-ID of either leg', async (t) => {
  t.same(idsOf(await ask('/calls?sipCallId=payer-a%40carrier')), ['a'])
  t.same(idsOf(await ask('/calls?sipCallId=agent-a%40tonewall')), ['a'])
  t.same(idsOf(await ask('/calls?sipCallId=payer-b%40carrier')), [])
})

t.test('the calls of another agent are refused, and look like calls that do not exist', async (t) => {
  t.match(await ask('/calls?agent=bob'), { status: 403, body: { code: 'not_permitted' } })
  for (const path of ['', '/window', '/events']) {
    t.match(await ask(`/calls/${'b'.repeat(20)}${path}`), { status: 404, body: { code: 'unknown_call' } })
  }
  const orders = sbc.orders.length
  t.match(await ask(`/calls/${'b'.repeat(20)}/windows`, json({ form: 'card' })), { status: 404 })
  t.match(await ask(`/calls/${'b'.repeat(20)}/window`, { method: 'DELETE' }), { status: 404 })
  t.equal(sbc.orders.length, orders, 'no order reached the sbc')
})

t.test('opening a window is answered when the sbc has proven it', async (t) => {
  const answer = await ask(`/calls/${'a'.repeat(20)}/windows`, json({ form: 'card', masking: 'hard' }))
  t.match(answer, { status: 201, body: { callId: 'a'.repeat(20), windowId: 'w'.repeat(16) } })
  t.equal(answer.headers.get('location'), `/api/v1/calls/${'a'.repeat(20)}/window`)
  t.same(sbc.orders.at(-1), { type: 'window.open', callId: 'a'.repeat(20), form: 'card', masking: 'hard' })
})

t.test('clear and cancel reach the sbc, with and without a field', async (t) => {
  const callId = 'a'.repeat(20)
  t.match(await ask(`/calls/${callId}/window/clear`, json({ field: 'expiry' })), { status: 204 })
  t.match(await ask(`/calls/${callId}/window/clear`, { method: 'POST' }), { status: 204 })
  t.match(await ask(`/calls/${callId}/window`, { method: 'DELETE' }), { status: 204 })
  t.same(sbc.orders.slice(-3), [
    { type: 'window.clear', callId, field: 'expiry' },
    { type: 'window.clear', callId, field: null },
    { type: 'window.cancel', callId },
  ])
})

t.test('each refusal of the sbc has its status, and says what to do', async (t) => {
  const statuses = {
    unknown_form: 422,
    window_open: 409,
    call_ended: 409,
    emergency: 409,
    guard_unavailable: 503,
    media_unavailable: 503,
    not_proven: 503,
    not_recorded: 503,
    unknown_merchant: 503,
  } as const
  for (const [code, status] of Object.entries(statuses)) {
    sbc.answer = () => ({ type: 'refused', code: code as keyof typeof statuses })
    const answer = await ask(`/calls/${'a'.repeat(20)}/windows`, json({ form: 'card' }))
    t.match(answer, { status, body: { code, status, title: String, detail: String } })
    t.match(answer.headers.get('content-type'), 'application/problem+json')
  }
  sbc.answer = () => DONE
  t.match(await bench.metrics(), 'tonewall_desk_orders_total{order="window.open",outcome="not_proven"')
})

t.test('a missing, unknown, malformed or oversized token is refused', async (t) => {
  const missing = await fetch(`${desk.address}api/v1/calls`)
  t.equal(missing.status, 401)
  t.match(missing.headers.get('www-authenticate'), 'Bearer')
  t.match(await missing.json(), { code: 'token_missing' })
  t.match(await ask('/calls', { token: `${bench.tokens.alice}x` }), { status: 401, body: { code: 'token_refused' } })
  t.match(await ask('/calls', { token: 'second line' }), { status: 401, body: { code: 'token_missing' } })
  t.match(await ask('/calls', { token: 'x'.repeat(600) }), { status: 401, body: { code: 'token_missing' } })
  t.match(await ask('/calls', { token: 'tws_e30.aaaa' }), { status: 401, body: { code: 'session_ended' } })
})

t.test('requests that do not fit the API are refused, and none fails the desk', async (t) => {
  const open = `/calls/${'a'.repeat(20)}/windows`
  for (const body of [
    {},
    { form: 7 },
    { form: 'Card' },
    { form: 'card', pan: '1' },
    { form: 'card', masking: 'none' },
    [],
  ]) {
    t.match(await ask(open, json(body)), { status: 400, body: { code: 'invalid_request', field: String } })
  }
  const typed = { 'content-type': 'application/json' }
  t.match(await ask(open, { method: 'POST', headers: typed, body: '{"form":' }), { status: 400 })
  t.match(await ask(open, { method: 'POST', headers: typed, body: '{"__proto__":{"form":"card"}}' }), { status: 400 })
  t.match(await ask(open, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'card' }), {
    status: 415,
    body: { code: 'not_json' },
  })
  t.match(await ask(open, json({ form: 'c'.repeat(5_000) })), { status: 413, body: { code: 'body_too_large' } })
  for (const path of ['/calls/UPPER', '/calls/%zz', '/calls/..%2f..', '/calls?limit=1', `/calls/${'x'.repeat(99)}`]) {
    t.match((await ask(path)).status, /^40[04]$/, path)
  }
  t.match(await ask('/nothing'), { status: 404, body: { code: 'not_found' } })
  t.match(await ask('/calls', { method: 'PUT' }), { status: 404 })
  t.match(await ask('/calls', { headers: { 'x-large': 'x'.repeat(20_000) } }), { status: 431 })
})

t.test('a thousand damaged requests are each answered, and none is a failure of the desk', async (t) => {
  const random = seededRandom(20)
  const pick = <Value>(values: readonly Value[]) => values[random.below(values.length)] as Value
  const paths = [
    'calls',
    'a'.repeat(20),
    'b'.repeat(20),
    'window',
    'windows',
    'clear',
    '%00',
    '..',
    '%2e',
    '\u00e9',
    '?agent=',
    '?sipCallId=%7f',
  ]
  const bodies = [
    '{"form":"card"}',
    '{"field":"expiry"}',
    '{"masking":null}',
    '[[[[',
    '"',
    '{"form":{"form":1}}',
    'null',
    '\0',
    '1e999',
  ]
  const outcomes = new Set<number>()
  for (let round = 0; round < 1_000; round += 1) {
    const path = Array.from({ length: 1 + random.below(4) }, () => pick(paths)).join('/')
    const method = pick(['GET', 'POST', 'DELETE', 'PATCH'])
    const body = method === 'GET' ? null : pick(bodies).slice(0, 1 + random.below(24))
    const headers = { 'content-type': pick(['application/json', 'application/json; charset=x', 'text/html', '']) }
    const authorization = `Bearer ${bench.tokens.alice}`
    const answer = await fetch(`${desk.address}api/v1/${path}`, {
      method,
      body,
      headers: { ...headers, authorization },
    })
    await answer.arrayBuffer()
    outcomes.add(answer.status)
  }
  t.same(
    [...outcomes].filter((status) => status >= 500),
    [],
  )
  t.ok(outcomes.has(400) && outcomes.has(404) && outcomes.has(200))
})

t.test('what is no HTTP, or never ends its headers, is answered once and closed', async (t) => {
  const port = Number(new URL(desk.address).port)
  const read = async (socket: Socket) => {
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
    await once(socket, 'close')
    return text
  }
  const noise = connect(port, '127.0.0.1')
  noise.write('\x16\x03\x01 not http\r\n\r\n')
  t.match(await read(noise), /^HTTP\/1\.1 400 [^]*invalid_request/)
  const slow = connect(port, '127.0.0.1')
  slow.write('GET / HTTP/1.1\r\nhost: desk\r\nx-never: ')
  t.match(await read(slow), /^HTTP\/1\.1 408 [^]*request_timeout/)
})

t.test('every answer carries the security headers, and the page has no script or style of elsewhere', async (t) => {
  const page = await fetch(desk.address)
  const policy = page.headers.get('content-security-policy') ?? ''
  t.match(policy, "default-src 'none'")
  t.match(policy, "frame-ancestors 'none'")
  t.notMatch(policy, /unsafe|https?:|\*/)
  t.equal(page.headers.get('x-content-type-options'), 'nosniff')
  t.equal(page.headers.get('referrer-policy'), 'no-referrer')
  const html = await page.text()
  t.notMatch(html, /<script(?![^>]*src)|<style|style=|https?:|onclick/)
  t.equal((await ask('/calls')).headers.get('cache-control'), 'no-store')
  t.match((await fetch(`${desk.address}page/main.ts`)).headers.get('content-type'), 'text/javascript')
  t.equal((await fetch(`${desk.address}page/..%2fdesk.ts`)).status, 404)
})

t.test('a page session replaces the token, is renewed by input, and is over after signing out', async (t) => {
  const opened = await ask('/session', { method: 'POST' })
  t.match(opened, { status: 200, body: { agent: 'alice', role: 'agent', idleMs: 900_000 } })
  const token = String(opened.body['token'])
  t.same(idsOf(await ask('/calls', { token })), ['a'])
  t.match(await ask('/session', { method: 'POST', token }), { status: 403 }, 'a session makes no other session')
  t.match(await ask('/session/renewal', { method: 'POST', token }), { status: 200 })
  t.match(await ask('/session/renewal', { method: 'POST' }), { status: 403, body: { code: 'session_only' } })
  t.match(await ask('/session', { method: 'DELETE', token }), { status: 204 })
  t.match(await ask('/calls', { token }), { status: 401, body: { code: 'session_ended' } })
})

t.test('after ten refused tokens an address waits; a session goes on, and so does who was there before', async (t) => {
  const other = await bench.startDesk({ sbcPort: sbc.port })
  t.teardown(() => other.close())
  const at = async (token: string, init: RequestInit = {}, path = 'calls') => {
    const headers = { authorization: `Bearer ${token}` }
    const response = await fetch(`${other.address}api/v1/${path}`, { ...init, headers })
    const body = (await response.json()) as Record<string, unknown>
    return { status: response.status, retryAfterS: Number(response.headers.get('retry-after')), body }
  }
  const session = String((await at(bench.tokens.alice, { method: 'POST' }, 'session')).body['token'])
  let last = await at('guess')
  for (let tries = 0; tries < 12 && last.status === 401; tries += 1) last = await at('guess')
  t.match(last, { status: 429, body: { code: 'too_many_logins' } })
  t.ok(last.retryAfterS > 1_700 && last.retryAfterS <= 1_800)
  t.match(await at(bench.tokens.bob), { status: 429 }, 'of a stranger, a right guess is not told from a wrong one')
  t.match(await at(session), { status: 200 })
  t.match(await at(bench.tokens.alice), { status: 200 }, 'one of an office does not keep the others out')
})
