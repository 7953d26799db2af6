import t from 'tap'
import { ByteQueue } from '../../src/sipd/byte-queue.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

t.test('bytes come out in the order in which they went in, however they are cut', (t) => {
  const random = seededRandom(3).below
  const queue = new ByteQueue()
  let written = 0
  let read = 0
  for (let round = 0; round < 20_000; round += 1) {
    const chunk = Buffer.alloc(random(700))
    for (let index = 0; index < chunk.length; index += 1) chunk[index] = written++ % 251
    queue.append(chunk)
    const taken = queue.take(random(queue.length + 1))
    for (const byte of taken) if (byte !== read++ % 251) t.fail('a byte changed')
  }
  t.equal(queue.length, written - read)
  queue.skip(queue.length)
  t.equal(queue.view().length, 0)
  t.end()
})
