import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { EventParser, type StreamEvent } from '../../src/desk/page/event-parser.ts'
import { callOf, fieldOf, makeDeskBench, paymentOf, startFakeSbc } from './fake-sbc.ts'

const bench = makeDeskBench()
const sbc = await startFakeSbc(bench.certificates)
sbc.calls = [callOf('a'), callOf('b', { agent: 'bob' })]
const desk = await bench.startDesk({ sbcPort: sbc.port })
t.teardown(async () => {
  await desk.close()
  await sbc.close()
  bench.remove()
})

/** Reads a stream into a list, with a way to wait for what is expected. */
class Reader {
  readonly events: StreamEvent[] = []
  readonly status: Promise<number>
  readonly ended: Promise<void>
  readonly #abort = new AbortController()
  #wake: () => void = () => undefined

  constructor(
    options: {
      readonly token?: string
      readonly path?: string
      readonly lastEventId?: string
      readonly base?: string
    } = {},
  ) {
    const headers = new Headers({ authorization: `Bearer ${options.token ?? bench.tokens.alice}` })
    if (options.lastEventId !== undefined) headers.set('last-event-id', options.lastEventId)
    const url = `${options.base ?? desk.address}api/v1${options.path ?? '/events'}`
    const response = fetch(url, { headers, signal: this.#abort.signal })
    this.status = response.then(({ status }) => status)
    this.ended = response.then((answer) => this.#read(answer)).catch(() => undefined)
  }

  async until(isThere: (events: readonly StreamEvent[]) => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(5_000)
    while (!isThere(this.events)) {
      deadline.throwIfAborted()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        deadline.onabort = () => resolve()
      })
    }
  }

  async cut(): Promise<void> {
    this.#abort.abort()
    await this.ended
  }

  async #read(response: Response): Promise<void> {
    const parser = new EventParser()
    if (response.body === null) return
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const events = parser.push(chunk)
      if (events !== 'malformed') this.events.push(...events)
      this.#wake()
    }
  }
}

const enteredOf = (event: StreamEvent) => {
  const call = JSON.parse(event.data) as ReturnType<typeof callOf>
  return call.payment?.fields[0]?.entered ?? -1
}
const type = (entered: number) =>
  sbc.tell(
    callOf('a', {
      startedAtMs: 1_700_000_000_000,
      payment: paymentOf({ fields: [fieldOf('card-number', { state: 'entering', entered })] }),
    }),
  )

t.test('a stream starts with a snapshot of the own calls, then tells each change', async (t) => {
  const reader = new Reader()
  await reader.until((events) => events.length === 1)
  const snapshot = JSON.parse(reader.events[0]?.data ?? '') as { readonly calls: readonly object[] }
  t.match(snapshot, { sbc: 'up', synced: true, nowMs: Number, calls: [{ callId: 'a'.repeat(20) }] })
  t.equal(snapshot.calls.length, 1)
  sbc.tell(callOf('b', { agent: 'bob', state: 'held' }))
  type(1)
  await reader.until((events) => events.length === 2)
  t.match(reader.events[1], { type: 'call', id: /^[0-9a-f]{12}-\d+$/ })
  t.equal(enteredOf(reader.events[1] as StreamEvent), 1, 'bob’s call was not among what alice sees')
  await reader.cut()
})

t.test('a reader that was cut at any place resumes without a gap and without a repeat', async (t) => {
  const whole = new Reader()
  await whole.until((events) => events.length === 1)
  const pieces: StreamEvent[] = []
  let reader = new Reader()
  await reader.until((events) => events.length === 1)
  for (let entered = 2; entered <= 19; entered += 1) {
    type(entered)
    if (entered % 4 !== 0) continue
    await reader.until((events) => events.length > 0)
    await reader.cut()
    pieces.push(...reader.events)
    reader = new Reader({ lastEventId: pieces.at(-1)?.id ?? '' })
  }
  const last = (events: readonly StreamEvent[]) =>
    events.at(-1) !== undefined && enteredOf(events.at(-1) as StreamEvent) === 19
  await whole.until(last)
  await reader.until(last)
  pieces.push(...reader.events)
  await reader.cut()
  await whole.cut()
  t.same(pieces.slice(1), whole.events.slice(1))
  t.same(
    pieces.slice(1).map(enteredOf),
    Array.from({ length: 18 }, (_, index) => index + 2),
  )
})

t.test('an id of another run, of the future, or no id at all starts with a snapshot', async (t) => {
  for (const lastEventId of ['000000000000-1', 'nonsense', '9'.repeat(80)]) {
    const reader = new Reader({ lastEventId })
    await reader.until((events) => events.length === 1)
    t.equal(reader.events[0]?.type, 'snapshot')
    await reader.cut()
  }
})

t.test('after a restart of the desk the old id leads to a snapshot that has the present state', async (t) => {
  const first = await bench.startDesk({ sbcPort: sbc.port })
  const before = new Reader({ base: first.address })
  await before.until((events) => events.length === 1)
  await first.close()
  await before.ended
  type(5)
  const second = await bench.startDesk({ sbcPort: sbc.port, port: Number(new URL(first.address).port) })
  const after = new Reader({ base: second.address, lastEventId: before.events[0]?.id ?? '' })
  await after.until((events) => events.length === 1)
  t.match(after.events[0], { type: 'snapshot' })
  t.match(JSON.parse(after.events[0]?.data ?? ''), { synced: true, calls: [{ payment: { fields: [{ entered: 5 }] } }] })
  await after.cut()
  await second.close()
})

t.test('a call that moves to another agent is gone for the first', async (t) => {
  const reader = new Reader()
  sbc.tell(callOf('c'))
  await reader.until((events) => events.some(({ data }) => data.includes('c'.repeat(20))))
  sbc.tell(callOf('c', { agent: 'bob' }))
  await reader.until((events) => events.at(-1)?.type === 'gone')
  t.same(JSON.parse(reader.events.at(-1)?.data ?? ''), { callId: 'c'.repeat(20) })
  await reader.cut()
})

t.test('the stream of one call has that call only, and ends with it', async (t) => {
  sbc.tell(callOf('d'))
  const all = new Reader()
  await all.until((events) => events.some(({ data }) => data.includes('d'.repeat(20))))
  const reader = new Reader({ path: `/calls/${'d'.repeat(20)}/events` })
  await reader.until((events) => events.length === 1)
  type(6)
  sbc.tell(callOf('d', { state: 'ended', endedAtMs: Date.now() }))
  await reader.ended
  t.same(
    reader.events.map(({ type: kind }) => kind),
    ['snapshot', 'call'],
  )
  await all.cut()
})

t.test('a reader that does not read is cut, and others are not held up', async (t) => {
  const own = await bench.startDesk({ sbcPort: sbc.port })
  const port = Number(new URL(own.address).port)
  const slow = connect(port, '127.0.0.1')
  slow.write(`GET /api/v1/events HTTP/1.1\r\nhost: desk\r\nauthorization: Bearer ${bench.tokens.all}\r\n\r\n`)
  await once(slow, 'readable')
  const reader = new Reader({ base: own.address })
  await reader.until((events) => events.length === 1)
  const cut = async () => (await bench.metrics()).includes('tonewall_desk_streams_cut_total{reason="slow"')
  let told = 0
  const deadline = AbortSignal.timeout(15_000)
  while (!(await cut())) {
    deadline.throwIfAborted()
    for (let index = 0; index < 100; index += 1) type((told += 1) % 19)
    await reader.until((events) => events.filter(({ type: kind }) => kind === 'call').length >= told)
  }
  t.ok(told > 400, 'a short burst is no reason to cut')
  t.ok(told < 40_000, 'and what is held for a reader has an end')
  slow.destroy()
  await reader.cut()
  await own.close()
})

t.test('seventeen streams of one agent are one too many', async (t) => {
  const readers = Array.from({ length: 17 }, () => new Reader({ token: bench.tokens.bob }))
  const statuses = await Promise.all(readers.map(({ status }) => status))
  t.equal(statuses.filter((status) => status === 200).length, 16)
  t.equal(statuses.filter((status) => status === 429).length, 1)
  await Promise.all(readers.map((reader) => reader.cut()))
})

t.test('signing out ends the streams of the session', async (t) => {
  const authorization = (token: string) => ({ authorization: `Bearer ${token}` })
  const url = `${desk.address}api/v1/session`
  const opened = await fetch(url, { method: 'POST', headers: authorization(bench.tokens.alice) })
  const { token } = (await opened.json()) as { readonly token: string }
  const reader = new Reader({ token })
  await reader.until((events) => events.length === 1)
  await fetch(url, { method: 'DELETE', headers: authorization(token) })
  await reader.ended
  t.pass('the stream ended')
})

t.test('a lost sbc is told within three seconds, and what it forgot has ended when it is back', async (t) => {
  type(7)
  const reader = new Reader()
  await reader.until((events) => events.at(-1)?.data.includes('"entered":7') === true)
  const lostAtMs = performance.now()
  await sbc.close()
  await reader.until((events) => events.at(-1)?.type === 'sbc')
  t.same(JSON.parse(reader.events.at(-1)?.data ?? ''), { sbc: 'down' })
  t.ok(performance.now() - lostAtMs < 3_000, 'in time')
  const order = await fetch(`${desk.address}api/v1/calls/${'a'.repeat(20)}/windows`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bench.tokens.alice}`, 'content-type': 'application/json' },
    body: '{"form":"card"}',
  })
  t.equal(order.status, 503)
  t.match(await order.json(), { code: 'sbc_lost' })

  const back = await startFakeSbc(bench.certificates, sbc.port)
  await reader.until((events) => events.some(({ type: kind, data }) => kind === 'call' && data.includes('sbc_lost')))
  const ended = reader.events.map(({ data }) => JSON.parse(data) as Partial<ReturnType<typeof callOf>>)
  t.match(
    ended.findLast(({ callId }) => callId === 'a'.repeat(20)),
    {
      state: 'ended',
      payment: { state: 'closed', failure: 'sbc_lost', token: null },
    },
  )
  await reader.cut()
  await back.close()
})
