import t from 'tap'
import { remembered } from '../../src/sbc/remembered.ts'

function counted(): { readonly read: (sdp: string) => string | null; readonly texts: string[] } {
  const texts: string[] = []
  const read = remembered((sdp: string) => {
    texts.push(sdp)
    return sdp === 'bad' ? null : sdp.toUpperCase()
  })
  return { read, texts }
}

t.test('a text is read once, and one that cannot be read too', (t) => {
  const { read, texts } = counted()
  t.equal(read('a'), 'A')
  t.equal(read('a'), 'A')
  t.equal(read('bad'), null)
  t.equal(read('bad'), null)
  t.same(texts, ['a', 'bad'])
  t.end()
})

t.test('only the last texts are remembered', (t) => {
  const { read, texts } = counted()
  for (let index = 0; index < 1_000; index += 1) read(`text ${index}`)
  read('text 999')
  t.equal(texts.length, 1_000)
  read('text 0')
  t.equal(texts.length, 1_001)
  t.end()
})

t.test('a text with a key is not kept', (t) => {
  const { read, texts } = counted()
  const sdp = 'v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:key'
  t.equal(read(sdp), read(sdp))
  t.equal(texts.length, 2)
  t.end()
})
