import t from 'tap'
import { parseFromAnalyser, parseToAnalyser } from '../../src/wire/trunk-check-protocol.ts'
import { FROM_ANALYSER, PRESS, TO_ANALYSER } from '../fakes/trunk-check-samples.ts'
import { addedFieldsTaken, pathsThatTakeACard } from '../fakes/wire-samples.ts'

t.test('every message of a trunk check is read as it is, and only in its direction', (t) => {
  for (const message of FROM_ANALYSER) {
    t.equal(parseFromAnalyser(message), message, message.type)
    t.equal(parseToAnalyser(message), null)
  }
  for (const message of TO_ANALYSER) {
    t.equal(parseToAnalyser(message), message, message.type)
    t.equal(parseFromAnalyser(message), null)
  }
  t.end()
})

t.test('nothing that the analyser tells can hold a key, and only an unread INFO goes to it with one', (t) => {
  t.same(pathsThatTakeACard(FROM_ANALYSER, parseFromAnalyser), [])
  t.same(pathsThatTakeACard(TO_ANALYSER, parseToAnalyser), ['body'])
  t.equal(addedFieldsTaken(FROM_ANALYSER, parseFromAnalyser), 0)
  for (const part of ['event', 'tone', 'info'] as const) {
    const told = { type: 'press', press: { ...PRESS, [part]: { ...PRESS[part], key: 5 } } }
    t.equal(parseFromAnalyser(told), null, `a key in ${part} is refused`)
  }
  t.end()
})

t.test('levels are whole decibels: finer ones could tell keys apart', (t) => {
  const told = { type: 'press', press: { ...PRESS, tone: { ...PRESS.tone, lowDbm0: -9.3 } } }
  t.equal(parseFromAnalyser(told), null)
  t.end()
})
