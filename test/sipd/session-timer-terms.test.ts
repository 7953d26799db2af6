import t from 'tap'
import type { Header } from '../../src/sipd/message.ts'
import {
  agreedTerms,
  answeredTerms,
  askingHeaders,
  demandedSeconds,
  tooShort,
  type SessionTimerPolicy,
} from '../../src/sipd/session-timer-terms.ts'
import { fakeRequest, fakeResponse } from './fake-flow.ts'

const policy: SessionTimerPolicy = { seconds: 1_800, minSeconds: 90 }
const shown = (headers: readonly Header[]): string[] => headers.map(({ name, value }) => `${name}: ${value}`)
const invite = (headers: Readonly<Record<string, string>> = {}) => fakeRequest('INVITE', headers)

t.test('the answer to each kind of caller is as RFC 4028 table 2 has it', (t) => {
  const cases: readonly (readonly [string, Record<string, string>, string[], number, 'us' | 'peer', boolean])[] = [
    ['no timers', {}, ['Session-Expires: 1800;refresher=uas', 'Supported: timer'], 1_800, 'us', false],
    [
      'a proxy asks for a caller without timers',
      { 'session-expires': '600' },
      ['Session-Expires: 600;refresher=uas', 'Supported: timer'],
      600,
      'us',
      false,
    ],
    [
      'supported, nothing asked',
      { supported: '100rel, timer' },
      ['Session-Expires: 1800;refresher=uac', 'Require: timer', 'Supported: timer'],
      1_800,
      'peer',
      true,
    ],
    [
      'asked for less, role open',
      { supported: 'timer', 'session-expires': '600' },
      ['Session-Expires: 600;refresher=uac', 'Require: timer', 'Supported: timer'],
      600,
      'peer',
      true,
    ],
    [
      'asked for more, we refresh',
      { supported: 'timer', 'session-expires': '7200 ; Refresher=UAS' },
      ['Session-Expires: 1800;refresher=uas', 'Supported: timer'],
      1_800,
      'us',
      true,
    ],
    [
      'a minimum above ours',
      { supported: 'timer', 'min-se': '3600', 'session-expires': '7200' },
      ['Session-Expires: 3600;refresher=uac', 'Require: timer', 'Supported: timer'],
      3_600,
      'peer',
      true,
    ],
  ]
  for (const [title, headers, expected, seconds, refresher, agreed] of cases) {
    const request = invite(headers)
    const answer = answeredTerms(request, fakeResponse(request, 200), policy)
    t.same(shown(answer.headers), expected, title)
    t.same(answer.terms, { seconds, refresher, agreed }, title)
  }
  t.end()
})

t.test('what the application wrote itself stands', (t) => {
  const request = invite({ supported: 'timer', 'session-expires': '600' })
  const written = fakeResponse(request, 200, { 'session-expires': '300;refresher=uas' })
  t.same(answeredTerms(request, written, policy), {
    headers: [],
    terms: { seconds: 300, refresher: 'us', agreed: true },
  })
  t.same(answeredTerms(request, fakeResponse(request, 200), undefined), { headers: [], terms: undefined })
  t.same(askingHeaders(invite({ 'session-expires': '200' }), policy, undefined), [])
  t.end()
})

t.test('a request asks, and a refresh keeps roles and interval', (t) => {
  t.same(shown(askingHeaders(invite(), policy, undefined)), ['Session-Expires: 1800', 'Min-SE: 90', 'Supported: timer'])
  const supporting = invite({ supported: 'Timer' })
  t.same(shown(askingHeaders(supporting, policy, { seconds: 600, refresher: 'us', agreed: true })), [
    'Session-Expires: 600;refresher=uac',
    'Min-SE: 90',
  ])
  t.same(
    shown(askingHeaders(supporting, policy, { seconds: 600, refresher: 'peer', agreed: true }))[0],
    'Session-Expires: 600;refresher=uas',
  )
  t.end()
})

t.test('the 2xx to ours says who refreshes; without a word of it we do', (t) => {
  const answered = (value: string | undefined) =>
    agreedTerms(fakeResponse(invite(), 200, value === undefined ? {} : { 'session-expires': value }), policy)
  t.same(answered('900;refresher=uas'), { seconds: 900, refresher: 'peer', agreed: true })
  t.same(answered('900;refresher=uac'), { seconds: 900, refresher: 'us', agreed: true })
  t.same(answered('900'), { seconds: 900, refresher: 'us', agreed: true })
  t.same(answered(undefined), { seconds: 1_800, refresher: 'us', agreed: false })
  for (const nonsense of ['', 'soon', '0', '-5', '9x', ';refresher=uac'])
    t.same(answered(nonsense), { seconds: 1_800, refresher: 'us', agreed: false }, nonsense)
  t.equal(answered('99999999999')?.seconds, 1_800, 'not a number of seconds')
  t.equal(answered('4294967295')?.seconds, 86_400, 'nobody talks longer')
  t.equal(agreedTerms(fakeResponse(invite(), 200), undefined), undefined)
  t.end()
})

t.test('too short is what is below our minimum and comes from somebody who would understand', (t) => {
  t.equal(tooShort(invite({ supported: 'timer', 'session-expires': '89' }), policy)?.value, '90')
  t.equal(tooShort(invite({ supported: 'timer', 'session-expires': '90' }), policy), undefined)
  t.equal(tooShort(invite({ 'session-expires': '89' }), policy), undefined)
  t.equal(tooShort(invite({ supported: 'timer' }), policy), undefined)
  t.equal(demandedSeconds(fakeResponse(invite(), 422, { 'min-se': '300' })), 300)
  t.equal(demandedSeconds(fakeResponse(invite(), 422)), undefined)
  t.end()
})
