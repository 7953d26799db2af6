import t from 'tap'
import { Capture, type CaptureOptions } from '../../../src/cde/guard/capture.ts'
import { parseRtp } from '../../../src/cde/guard/rtp-packet.ts'
import type { TokenizeAnswer } from '../../../src/cde/vault-client.ts'
import { eventPackets, toDatagrams } from '../../fakes/event-sender.ts'
import { payerStream } from '../../fakes/payer-stream.ts'
import { FakeVault, ORDER, WINDOW_ID } from '../../fakes/window-bench.ts'

const CARD = Array.from('41111111111111111228123', Number)

function newCapture(options: Partial<CaptureOptions> = {}) {
  const vault = new FakeVault()
  let nowMs = 0
  const capture = new Capture({
    windowId: WINDOW_ID,
    merchant: 'shop',
    form: ORDER.form,
    vault,
    dateMs: () => Date.UTC(2026, 1, 15),
    clockMs: () => nowMs,
    keyTaken: () => undefined,
    changed: () => undefined,
    ...options,
  })
  const play = (keys: readonly number[]) => {
    for (const { atMs, datagram } of payerStream({ keys, transport: 'events', startMs: nowMs + 20 })) {
      nowMs = atMs
      const parsed = parseRtp(datagram)
      if (parsed.kind === 'rtp') capture.accept(parsed.packet, nowMs)
      capture.tick(nowMs)
    }
  }
  return { capture, vault, play, nowMs: () => nowMs }
}

t.test('a card is stored once, and while it is being stored nobody can cancel', async (t) => {
  const { promise, resolve } = Promise.withResolvers<TokenizeAnswer>()
  const slow = { tokenize: () => promise }
  const { capture, play } = newCapture({ vault: slow })
  t.ok(capture.begin(0))
  play(CARD)
  t.equal(capture.state, 'storing')
  t.notOk(capture.cancel())
  t.notOk(capture.isOver)
  resolve({ type: 'unavailable' })
  await promise
  await new Promise((done) => setImmediate(done))
  t.match(capture.progress(), { state: 'failed', failure: 'vault_unavailable', token: null, lastFour: null })
  t.ok(capture.isOver)
})

t.test('keys are heard but not taken before the beginning, and never without a form', (t) => {
  const early = newCapture()
  early.play([4, 1, 1])
  t.match(early.capture.progress().fields[0], { entered: 0 })
  t.equal(early.capture.quietSinceMs(early.nowMs()), null)
  const maskOnly = newCapture({ form: null })
  t.ok(maskOnly.capture.isOver)
  maskOnly.play([4])
  t.same(maskOnly.vault.cards, [])
  t.ok((maskOnly.capture.quietSinceMs(maskOnly.nowMs()) ?? 0) > 0)
  t.end()
})

t.test('an INFO that comes after the beginning is taken, however long before it says that its key went down', (t) => {
  const { capture } = newCapture()
  capture.info(Buffer.from('Signal=7'), true, 990)
  capture.begin(1_000)
  capture.info(Buffer.from('Signal=4\r\nDuration=250'), true, 1_001)
  capture.info(Buffer.from('Signal=1'), true, 1_120)
  capture.tick(2_000)
  t.match(capture.progress().fields[0], { entered: 2, brand: 'visa' }, 'a key of before the beginning is not')
  t.end()
})

t.test('wiped, it takes nothing any more, and an INFO’s body is overwritten', (t) => {
  const { capture, play } = newCapture()
  capture.begin(0)
  play([4, 1])
  const body = Buffer.from('Signal=5')
  capture.info(body, true, 5_000)
  t.ok(body.every((byte) => byte === 0))
  capture.wipe()
  capture.wipe()
  play([1, 1])
  t.equal(capture.dueMs(), Infinity)
  t.match(capture.progress().fields[0], { entered: 0 })
  t.end()
})

t.test(
  'a line that tells each key twice, sooner than a hand could, is named as what is wrong, and no card is stored',
  (t) => {
    const keysOf = (keys: readonly number[]) => eventPackets({ keys, onMs: 100, offMs: 300, audio: 'none' })
    const again = (keys: readonly number[]) =>
      keysOf(keys).map((packet) => ({ ...packet, atMs: packet.atMs + 120, timestamp: packet.timestamp + 120 * 8 }))
    for (const isTwice of [false, true]) {
      const { capture, vault } = newCapture()
      capture.begin(0)
      const pan = CARD.slice(0, 16)
      const packets = [...keysOf(pan), ...(isTwice ? again(pan) : [])].sort((a, b) => a.atMs - b.atMs)
      for (const { atMs, datagram } of toDatagrams(packets)) {
        const parsed = parseRtp(datagram)
        if (parsed.kind === 'rtp') capture.accept(parsed.packet, atMs)
        capture.tick(atMs)
      }
      const [field] = capture.progress().fields
      if (isTwice)
        t.match(field, { state: 'refused', problem: 'keys_doubled', entered: 0, lastFour: null, triesLeft: 2 })
      else t.match(field, { state: 'accepted', problem: null })
      t.same(vault.cards, [])
    }
    t.end()
  },
)
