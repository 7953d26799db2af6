import t from 'tap'
import { learntEndpoint, readFacts } from '../../src/sbc/media-facts.ts'

/** What rtpengine says of one tag: whom it hears, who hears it, and its packets so far. */
const tag = (hears: string, packets: number, endpoint?: unknown) => ({
  subscriptions: [{ tag: hears, type: 'offer/answer' }],
  subscribers: [{ tag: hears, type: 'offer/answer' }],
  medias: [{ streams: [{ stats: { packets }, endpoint }] }],
})

const GUARDED = {
  payer: tag('guard-payer', 10),
  agent: tag('guard-agent', 20),
  'guard-payer': tag('payer', 30),
  'guard-agent': tag('agent', 40),
}

t.test('who hears whom, and what came from each side, is read from the tags', (t) => {
  t.match(readFacts({ tags: { payer: tag('agent', 1), agent: tag('payer', 2) } }), {
    guardIsBetween: false,
    partiesAreDirect: true,
    packetsFrom: { payer: 1, agent: 2, guardPayer: 0, guardAgent: 0 },
  })
  t.match(readFacts({ tags: GUARDED }), {
    guardIsBetween: true,
    partiesAreDirect: false,
    packetsFrom: { payer: 10, agent: 20, guardPayer: 30, guardAgent: 40 },
  })
  t.end()
})

t.test('a subscription that is a plain name is read too', (t) => {
  const plain = (hears: string) => ({ subscriptions: [hears], subscribers: [hears] })
  t.match(readFacts({ tags: { payer: plain('agent'), agent: plain('payer') } }), { partiesAreDirect: true })
  t.end()
})

t.test('one more listener or speaker on any side, and the guard is not proven to be between', (t) => {
  for (const party of ['payer', 'agent'] as const) {
    for (const list of ['subscriptions', 'subscribers'] as const) {
      const both = { ...GUARDED[party], [list]: [...GUARDED[party][list], { tag: 'another' }] }
      t.match(readFacts({ tags: { ...GUARDED, [party]: both } }), { guardIsBetween: false })
    }
  }
  t.end()
})

t.test('the endpoint of a party is where it was heard from', (t) => {
  const reply = { tags: { payer: tag('agent', 1, { family: 'IPv4', address: '192.0.2.7', port: 4000 }) } }
  t.same(learntEndpoint(reply, 'payer'), { host: '192.0.2.7', port: 4000 })
  t.equal(learntEndpoint(reply, 'agent'), null)
  const unheard = { tags: { payer: tag('agent', 0, { family: 'IPv4', address: '0.0.0.0', port: 0 }) } }
  t.equal(learntEndpoint(unheard, 'payer'), null)
  t.end()
})

t.test('a query reply of any shape is read without trust: what is not proven is not so', (t) => {
  const replies: readonly Readonly<Record<string, unknown>>[] = [
    {},
    { tags: null },
    { tags: [] },
    { tags: { payer: null, agent: 7 } },
    { tags: { payer: { subscribers: [] }, agent: { subscribers: 'guard-agent' } } },
    {
      tags: { payer: { subscribers: [{}], medias: [{}] }, agent: { subscribers: [null], medias: [{ streams: [1] }] } },
    },
    { tags: { agent: { subscriptions: [{ tag: 'guard-agent' }] } } },
  ]
  for (const reply of replies) {
    t.match(readFacts(reply), {
      guardIsBetween: false,
      partiesAreDirect: false,
      packetsFrom: { payer: 0, agent: 0, guardPayer: 0, guardAgent: 0 },
    })
    for (const party of ['payer', 'agent'] as const) t.equal(learntEndpoint(reply, party), null)
  }
  t.end()
})
