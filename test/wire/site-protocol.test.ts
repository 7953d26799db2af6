import t from 'tap'
import { siteOrderShape, siteReplyShape, siteTexts, SITE_TEXTS_MAX } from '../../src/wire/site-protocol.ts'

t.test('orders of the right shape pass, others do not', (t) => {
  for (const good of [
    { type: 'site.drain', on: true, seconds: null },
    { type: 'site.drain', on: false, seconds: 86_400 },
    { type: 'site.look' },
    { type: 'site.reload', file: '/etc/tonewall.yaml' },
  ])
    t.ok(siteOrderShape(good))
  for (const bad of [
    { type: 'site.drain', on: true, seconds: 0 },
    { type: 'site.drain', on: true },
    { type: 'site.reload', file: 'relative.yaml' },
    { type: 'site.reload', file: '/a\nb' },
    { type: 'site.look', more: 1 },
  ])
    t.notOk(siteOrderShape(bad))
  t.end()
})

t.test('texts for people are made to fit', (t) => {
  const texts = siteTexts(['', 'ü', 'x'.repeat(500), ...Array.from({ length: 100 }, () => 'more')])
  t.equal(texts.length, SITE_TEXTS_MAX)
  t.ok(siteReplyShape({ type: 'site.refused', code: 'refused', texts }))
  t.end()
})
