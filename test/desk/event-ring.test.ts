import t from 'tap'
import { EventRing } from '../../src/desk/event-ring.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

const event = { type: 'sbc', agent: null, callId: null, last: false, data: '{}' } as const

t.test('the events after an id are given in order, and none after the newest', (t) => {
  const ring = new EventRing()
  const first = ring.lastId
  const ids = [1, 2, 3].map(() => ring.idOf(ring.push(event)))
  const after = (id: string | undefined) => {
    const events = ring.since(id ?? '')
    return events === 'unknown' ? events : events.map((each) => ring.idOf(each))
  }
  t.same(after(first), ids)
  t.same(after(ids[0]), ids.slice(1))
  t.same(after(ids[2]), [])
  t.equal(ring.lastId, ids[2])
  t.end()
})

t.test('an id that left the ring, is of another run, of the future or no id is unknown', (t) => {
  const ring = new EventRing({ capacity: 4 })
  const first = ring.lastId
  for (let index = 0; index < 8; index += 1) ring.push(event)
  t.equal(ring.since(first), 'unknown')
  t.equal(ring.since(new EventRing().lastId), 'unknown')
  t.equal(ring.since(ring.lastId.replace(/\d+$/, '9')), 'unknown')
  for (const id of ['', '-', 'x-1', `${first}x`, ` ${first}`, first.replace(/-\d+$/, '--1')])
    t.equal(ring.since(id), 'unknown', id)
  t.end()
})

t.test('at least a capacity of events can be resumed, however many were pushed', (t) => {
  const ring = new EventRing({ capacity: 16 })
  const random = seededRandom(7)
  const ids = [ring.lastId]
  for (let index = 0; index < 500; index += 1) {
    ids.push(ring.idOf(ring.push(event)))
    const back = random.below(60)
    const id = ids.at(-1 - back)
    if (id === undefined) continue
    const events = ring.since(id)
    if (back <= 16) t.equal(events.length, back)
    else t.ok(events === 'unknown' || events.length === back)
  }
  t.end()
})
