import t from 'tap'
import { EventParser } from '../../../src/desk/page/event-parser.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

t.test('events come out whole however the stream is cut into chunks', (t) => {
  const stream = ':\n\nid: a-1\nevent: call\ndata: {"x":"a:b"}\n\n:\n\nid: a-2\nevent: gone\ndata: {}\n\n'
  const random = seededRandom(3)
  for (let round = 0; round < 200; round += 1) {
    const parser = new EventParser()
    const events: unknown[] = []
    for (let at = 0; at < stream.length;) {
      const size = 1 + random.below(9)
      const parsed = parser.push(stream.slice(at, at + size))
      if (parsed !== 'malformed') events.push(...parsed)
      at += size
    }
    t.same(events, [
      { id: 'a-1', type: 'call', data: '{"x":"a:b"}' },
      { id: 'a-2', type: 'gone', data: '{}' },
    ])
  }
  t.end()
})

t.test('comments and lines without a meaning make no event', (t) => {
  t.same(new EventParser().push(':\n\nretry: 5\n\nnothing\n\nid: a-1\n\n'), [])
  t.same(new EventParser().push('data: 1\ndata: 2\n\n'), [{ id: '', type: 'message', data: '1\n2' }])
  t.end()
})

t.test('a stream without an end is given up', (t) => {
  const parser = new EventParser()
  const chunk = 'x'.repeat(1_048_576)
  let outcome: ReturnType<EventParser['push']> = []
  for (let count = 0; count < 17 && outcome !== 'malformed'; count += 1) outcome = parser.push(chunk)
  t.equal(outcome, 'malformed')
  t.end()
})
