import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { DeskClient } from '../../src/demo/desk-client.ts'
import { spawnPhone, type Phone } from '../../src/demo/phone-client.ts'
import type { PhoneReport } from '../../src/demo/phone/phone-protocol.ts'
import type { HostPort } from '../../src/wire/configuration.ts'
import { startSipSite, UDP_NUMBER, type SipSite } from '../fakes/sip-site.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 110_000
const EVENT_MS_MAX = 8_000
const CALL_SHOWN_MS_MAX = 5_000
const CLOSED_MS_MAX = 20_000
const CALLER_NUMBER = '15550100'
const KEY_INFO = { contentType: 'application/dtmf-relay', body: 'Signal=5\r\nDuration=160\r\n' }

/** What a side says of itself in all places that the phones and these tests can fill. */
const CALLER_WORDS = {
  name: 'caller-contact-user',
  userAgent: 'CallerPhone/1.2.3-internal',
  sdpOrigin: 'caller-sdp-origin',
  displayName: 'Caller Display Name',
}
const CALLEE_WORDS = {
  name: 'callee-contact-user',
  userAgent: 'CalleePhone/4.5.6-internal',
  sdpOrigin: 'callee-sdp-origin',
  displayName: 'Callee Display Name',
}
const CALLER_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ['X-Caller-Account', 'caller-header-account'],
  ['P-Asserted-Identity', '"caller-header-identity" <sip:caller-header-identity@pbx.caller.internal>'],
  ['Remote-Party-ID', '<sip:caller-header-party@pbx.caller.internal>'],
  ['P-Charging-Vector', 'icid-value=caller-header-charging'],
  ['History-Info', '<sip:caller-header-history@pbx.caller.internal>;index=1'],
  ['Call-Info', '<http://pbx.caller.internal/caller-header-info>'],
  ['Subject', 'caller-header-subject'],
  ['Organization', 'caller-header-organization'],
]
const CALLEE_HEADERS: readonly (readonly [name: string, value: string])[] = [
  ['Contact', '<sip:callee-header-contact@127.0.0.88:5099>'],
  ['Warning', '399 pbx.callee.internal "callee-header-warning"'],
  ['Error-Info', '<http://pbx.callee.internal/callee-header-error>'],
  ['Server', 'callee-header-server'],
  ['Reason', 'Q.850;cause=17;text="callee-header-reason"'],
]
const OWN_WORDS =
  /(caller|callee)-(header|contact|sdp)[\w-]*|CallerPhone|CalleePhone|Display Name|\.internal|127\.0\.0\.88/

t.test('neither side sees anything of the other in any SIP message', { timeout: FILE_MS_MAX }, async (t) => {
  // Of a trunk that is trusted, identities pass, with hosts of ours: test/sbc/identity-headers.test.ts.
  const site = await startSipSite(t, (written) => ({
    ...written,
    trunks: written.trunks.map((trunk) => ({ ...trunk, trusted: false })),
  }))
  const sides = [
    { title: 'the carrier calls the agent', caller: site.carrier, callee: site.agent },
    { title: 'the agent calls out through the carrier', caller: site.agent, callee: site.carrier },
  ]
  for (const { title, caller, callee } of sides) {
    await t.test(title, async (t) => {
      const phones = {
        caller: await phoneAt(t, caller, CALLER_WORDS),
        callee: await phoneAt(t, callee, CALLEE_WORDS),
      }
      const call = () =>
        phones.caller.call({
          to: `sip:${UDP_NUMBER}@${site.sip.host}:${site.sip.port}`,
          from: `sip:${CALLER_NUMBER}@${caller.host}:${caller.port}`,
          headers: CALLER_HEADERS,
        })

      await phones.callee.answer({ kind: 'answer', afterMs: 100, earlyMedia: true })
      const first = await call()
      if (first.kind !== 'answered') throw new Error('the call was not answered')
      await changeEverything(t, phones)
      await inWindow(t, site, first.callId, phones)
      t.equal((await phones.caller.hangup()).kind, 'done')
      await phones.callee.until('ended', { deadlineMs: EVENT_MS_MAX })

      await phones.callee.answer({ kind: 'answer', afterMs: 20, earlyMedia: false })
      t.equal((await call()).kind, 'answered')
      t.equal((await phones.callee.hangup()).kind, 'done')
      await phones.caller.until('ended', { deadlineMs: EVENT_MS_MAX, count: 2 })

      await phones.callee.answer({ kind: 'ring' })
      const unanswered = call()
      await phones.caller.until('ringing', { deadlineMs: EVENT_MS_MAX, count: 2 })
      await phones.caller.cancel()
      t.match(await unanswered, { kind: 'refused', status: 487 })
      await phones.callee.until('cancelled', { deadlineMs: EVENT_MS_MAX })

      for (const [status, passed] of [
        [486, 486],
        [603, 603],
        [302, 480],
      ] as const) {
        const reason = 'callee-header-phrase'
        await phones.callee.answer({ kind: 'refuse', afterMs: 20, status, reason, headers: CALLEE_HEADERS })
        t.match(await call(), { kind: 'refused', status: passed })
      }

      const reports = { caller: await phones.caller.report(), callee: await phones.callee.report() }
      nothingOf(t, { title: 'the caller', address: caller, own: reports.caller, shown: reports.callee })
      nothingOf(t, { title: 'the callee', address: callee, own: reports.callee, shown: reports.caller })
    })
  }
})

async function phoneAt(t: Test, address: HostPort, words: typeof CALLER_WORDS): Promise<Phone> {
  const phone = await spawnPhone({ ...words, address: address.host, sipPort: address.port, codecs: ['PCMU', 'PCMA'] })
  t.teardown(() => phone.close())
  return phone
}

/** Re-INVITEs and INFOs of both sides. */
async function changeEverything(t: Test, phones: { readonly caller: Phone; readonly callee: Phone }): Promise<void> {
  for (const phone of [phones.caller, phones.callee]) {
    t.equal((await phone.reinvite({ direction: 'sendonly' })).kind, 'done', 'hold')
    t.equal((await phone.reinvite({ direction: 'sendrecv', newPort: true })).kind, 'done', 'resume on a new port')
    t.equal((await phone.reinvite({ codecs: ['PCMA'] })).kind, 'done', 'another codec')
    t.equal((await phone.info(KEY_INFO)).kind, 'done')
  }
}

/** A window in which both sides change; what they were not told is told after it. */
async function inWindow(
  t: Test,
  site: SipSite,
  sipCallId: string,
  phones: { readonly caller: Phone; readonly callee: Phone },
): Promise<void> {
  const { host, port, agents } = site.configuration.desk
  const token = readFileSync(agents.find(({ role }) => role === 'all')?.tokenFile ?? '', 'utf8').split('\n')[0] ?? ''
  const desk = new DeskClient({ address: `http://${host}:${port}`, token })
  const callId = await desk.findCall(sipCallId, { deadlineMs: CALL_SHOWN_MS_MAX })
  await desk.openWindow(callId, { form: 'card', masking: 'hard' })
  for (const phone of [phones.caller, phones.callee]) {
    t.equal((await phone.reinvite({ direction: 'sendonly' })).kind, 'done', 'hold in the window')
    t.equal((await phone.reinvite({ direction: 'sendrecv', newPort: true })).kind, 'done', 'resume in the window')
  }
  await desk.cancelWindow(callId)
  await desk.until(callId, ({ state }) => state === 'closed', { deadlineMs: CLOSED_MS_MAX })
}

/** Searches all that the other side was sent, and what both dialogs are called. */
function nothingOf(
  t: Test,
  side: { readonly title: string; readonly address: HostPort; readonly own: PhoneReport; readonly shown: PhoneReport },
): void {
  const { title, address, own, shown } = side
  t.notOk(own.truncated || shown.truncated)
  const said = own.sipSent.join('\n')
  const seen = shown.sipReceived.join('\n')
  t.ok(OWN_WORDS.test(said), `${title} did say it`)
  const theirs = new Set(shown.sipSent.flatMap(wordsIn))
  const leaked = [...seen.matchAll(new RegExp(OWN_WORDS, 'g'))]
    .map(([word]) => word)
    .filter((word) => !theirs.has(word))
  t.same(leaked, [], `no word of ${title}`)
  t.notOk(seen.includes(address.host), `no address of ${title}`)
  // A CSeq starts at a random number, which may be that of a port.
  const withoutSequence = seen.replace(/^cseq:.*$/gim, '')
  for (const port of [String(address.port), ...matches(said, /^m=audio (\d+) /gm)])
    t.notMatch(withoutSequence, new RegExp(`\\b${port}\\b`), `no port of ${title}`)
  const names = new Set([
    ...matches(own.sipSent.concat(own.sipReceived).join('\n'), /;\s*tag=([^;\s,>]+)/gi),
    ...matches(own.sipSent.concat(own.sipReceived).join('\n'), /^call-id:\s*(\S+)/gim),
    ...matches(own.sipSent.concat(own.sipReceived).join('\n'), /;\s*branch=([^;\s,]+)/gi),
    ...matches(said, /^o=\S+ (\d{4,}) /gm),
  ])
  t.ok(names.size > 10, 'there were tags, branches and Call-IDs to look for')
  t.same(
    [...names].filter((name) => seen.includes(name)),
    [],
    `no tag, branch, Call-ID or session id of the dialogs with ${title}`,
  )
}

function wordsIn(message: string): readonly string[] {
  return [...message.matchAll(new RegExp(OWN_WORDS, 'g'))].map(([word]) => word)
}

function matches(text: string, pattern: RegExp): ReadonlySet<string> {
  return new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ''))
}
