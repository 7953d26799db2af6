import t from 'tap'
import { INFO_BYTES_MAX, parseInfo } from '../../../src/cde/guard/info-receiver.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

const relay = (text: string) => parseInfo(Buffer.from(text), true)
const plain = (text: string) => parseInfo(Buffer.from(text), false)

t.test('dtmf-relay is read with any spacing, order, case and line end', (t) => {
  for (const body of [
    'Signal= 5\r\nDuration= 160',
    'Signal=5\nDuration=160\n',
    'DURATION=160\r\nsignal = 5\r\n\r\n',
    'Signal=5\rDuration=160\r',
    '\r\n \tSIGNAL\t=\t5 \r\nDuration= 160 \0',
  ])
    t.same(relay(body), { kind: 'key', key: 5, durationMs: 160 }, JSON.stringify(body))
  t.same(relay('Signal=5'), { kind: 'key', key: 5, durationMs: 160 })
  t.match(relay('Signal=1\r\nDuration=999999\r\n'), { durationMs: 10_000 })
  t.match(relay('Signal=1\r\nDuration=x\r\n'), { durationMs: 160 })
  t.end()
})

t.test('a key alone under the type with lines, and lines under the type without, are read as what they are', (t) => {
  for (const body of ['5', ' 5 \r\n', '05', '5\0']) t.same(relay(body), { kind: 'key', key: 5, durationMs: 160 })
  t.same(plain('Signal=5\r\nDuration=80\r\n'), { kind: 'key', key: 5, durationMs: 80 })
  t.match(plain('Duration=5'), { code: 'not_a_key' })
  t.match(relay('Signal: 5'), { code: 'no_signal' })
  t.match(relay('Signal=5\r\nSignal=6\r\n'), { key: 5 }, 'one message is one key')
  t.end()
})

t.test('all keys, star and pound in both spellings', (t) => {
  const keys: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['9', 9],
    ['*', 10],
    ['10', 10],
    ['#', 11],
    ['11', 11],
    ['A', 12],
    ['d', 15],
  ]
  for (const [signal, key] of keys) {
    t.match(relay(`Signal=${signal}\r\nDuration=100\r\n`), { key })
    t.match(plain(`${signal}\r\n`), { key })
  }
  t.end()
})

t.test('what is no key is refused, and a long body is not read', (t) => {
  for (const body of ['', 'Signal=', 'Signal', 'Duration=5']) t.match(relay(body), { code: 'no_signal' })
  for (const body of ['Signal=E', 'Signal=16', 'Signal=-1', 'Signal=55555555', 'Signal=5 5'])
    t.match(relay(body), { code: 'not_a_key' })
  t.match(plain(''), { code: 'no_signal' })
  t.match(plain('12 3'), { code: 'not_a_key' })
  t.match(plain('1'.repeat(INFO_BYTES_MAX + 1)), { code: 'too_long' })
  t.end()
})

t.test('no bytes make it throw, and only keys come out', (t) => {
  const random = seededRandom(2976)
  const alphabet = Buffer.from('Signal=0123456789*#ABCD\r\nDuration \0\xff')
  for (let round = 0; round < 20_000; round += 1) {
    const body = Buffer.from(
      Array.from({ length: random.below(60) }, () =>
        round % 2 === 0 ? random.below(256) : (alphabet[random.below(alphabet.length)] ?? 0),
      ),
    )
    const parsed = parseInfo(body, random.next() < 0.5)
    if (parsed.kind === 'key' && !(parsed.key >= 0 && parsed.key <= 15 && parsed.durationMs >= 0)) t.fail('no key')
  }
  t.end()
})
