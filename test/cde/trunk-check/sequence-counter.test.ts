import t from 'tap'
import { SequenceCounter } from '../../../src/cde/trunk-check/sequence-counter.ts'

function counted(sequences: readonly number[]) {
  const [first = 0] = sequences
  const counter = new SequenceCounter(first)
  const taken = sequences.map((sequence) => counter.take(sequence))
  return { taken, figures: counter.figures() }
}

t.test('loss, repetition and order are counted exactly, over the wrap of 16 bits', (t) => {
  const { taken, figures } = counted([65_533, 65_534, 0, 0, 65_535, 1, 5, 4])
  t.same(taken, [true, true, true, false, true, true, true, true])
  t.same(figures, { packets: 7, lost: 2, lostRunMax: 2, duplicates: 1, reordered: 2 })
  t.end()
})

t.test('packets from before the first one are taken in', (t) => {
  t.same(counted([10, 11, 8, 9]).figures, { packets: 4, lost: 0, lostRunMax: 0, duplicates: 0, reordered: 2 })
  t.end()
})

t.test('one packet from far away is chance, two in a row are a sender that began anew', (t) => {
  t.same(counted([10, 30_000, 11, 12]).figures, { packets: 3, lost: 0, lostRunMax: 0, duplicates: 0, reordered: 0 })
  const anew = counted([10, 13, 30_000, 30_001, 30_003])
  t.same(anew.taken, [true, true, false, true, true])
  t.same(anew.figures, { packets: 5, lost: 3, lostRunMax: 2, duplicates: 0, reordered: 0 })
  t.end()
})

t.test('a long call is counted to its end', (t) => {
  const counter = new SequenceCounter(0)
  for (let sent = 0; sent < 200_000; sent += 1) if (sent % 100 !== 50) counter.take(sent & 0xffff)
  t.match(counter.figures(), { packets: 198_000, lost: 2_000, lostRunMax: 1, duplicates: 0 })
  t.end()
})
