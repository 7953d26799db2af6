import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { readMultimon } from '../../src/demo/judge/multimon-judge.ts'
import type { WrittenConfiguration } from '../../src/main/configuration-defaults.ts'
import { Baresip, type BaresipOptions } from '../fakes/baresip.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'
import { CARD_KEYS, CODE_KEYS, expiryKeys } from '../fakes/site-line.ts'
import { PAYER_ADDRESS, Site } from '../fakes/site.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 120_000
const TONES = { payer: 500, agent: 1_800, target: 2_300 }
const TOKEN_MS = 15_000
const CLOSED_MS = 10_000
const ENDED_MS = 6_000
/** RFC 4733 2.5.1.4: an end is sent three times, here 20 ms apart; and the machine may be slow. */
const LAST_END_MS = 300
const KEY_END = 'CALL_DTMF_END'
/** What a TLS client of baresip has as its source, whatever address it listens at. */
const TLS_SOURCE = '127.0.0.1'

/** Lines of the site: an agent each, and to whom the agent hands the call over. */
const CALLS = [
  { title: 'UDP and RTP', line: 0, target: 3 },
  { title: 'TLS and SRTP with keys in SDP', line: 1, target: 4, encryption: 'srtp-mand' as const },
  { title: 'TLS and DTLS-SRTP', line: 2, target: null, encryption: 'dtls_srtp' as const },
]
type Call = (typeof CALLS)[number]

t.test('baresip is the telephone of payer and agent', { timeout: FILE_MS_MAX, jobs: CALLS.length }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-baresip-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const authority = new SipAuthority()
  const files = {
    certificate: join(folder, 'own.crt'),
    key: join(folder, 'own.key'),
    authority: join(folder, 'ca.crt'),
  }
  const own = authority.leaf({ ip: ['127.0.0.1'] })
  writeFileSync(files.certificate, own.certificate)
  writeFileSync(files.key, own.key)
  writeFileSync(files.authority, authority.certificate)
  const tls = { addresses: [{ host: '127.0.0.1', port: await freePort() }], ...files, mutual: true }
  const site = await Site.start({
    say: (line) => t.comment(line),
    lines: 5,
    guards: 1,
    coolDownMs: 1_000,
    change: (written) => withTls(written, tls),
  })
  t.teardown(() => site.close())
  await site.untilTested()

  const hosts = [PAYER_ADDRESS, ...site.agents.map(({ host }) => host)]
  const identity = { ...authority.leaf({ ip: hosts }), authority: authority.certificate }
  const phone = async (t: Test, options: Omit<BaresipOptions, 'folder'>): Promise<Baresip> => {
    const started = await Baresip.start({ ...options, folder, identity })
    t.teardown(() => started.close())
    return started
  }
  for (const call of CALLS) {
    void t.test(call.title, (t) => {
      const uri =
        call.encryption === undefined ? site.uriOf(call.line) : tlsUri(site, call, tls.addresses[0]?.port ?? 0)
      return talkPayAndPassOn(t, { site, call, uri, phone: (options) => phone(t, options) })
    })
  }
})

async function talkPayAndPassOn(
  t: Test,
  parts: {
    readonly site: Site
    readonly call: Call
    readonly uri: string
    readonly phone: (options: Omit<BaresipOptions, 'folder'>) => Promise<Baresip>
  },
): Promise<void> {
  const { site, call, uri, phone } = parts
  const { encryption } = call
  const kind = encryption === undefined ? {} : { encryption, transport: 'tls' as const }
  const lineOf = (line: number) => {
    const local = site.agents[line]
    if (local === undefined) throw new Error('the site has no such line')
    return { name: numberOf(site, line), local, answers: true }
  }
  const agent = await phone({ ...lineOf(call.line), ...kind, toneHz: TONES.agent })
  const target = call.target === null ? null : await phone({ ...lineOf(call.target), toneHz: TONES.target })
  const local = { host: PAYER_ADDRESS, port: await freePort() }
  const payer = await phone({ name: `payer-${call.line}`, local, ...kind, toneHz: TONES.payer })

  t.ok(await payer.command('dial', uri))
  const { callId } = await payer.until('CALL_ESTABLISHED')
  await agent.until('CALL_ESTABLISHED')
  await Promise.all([payer.hears(TONES.agent), agent.hears(TONES.payer)])
  await payer.press('12')
  await eventually(() => agent.keysHeard.length === 2)
  t.equal(agent.keysHeard, '12', 'outside of a window the agent is told keys, so that it would be told others')

  const id = await site.desk.findCall(callId, { deadlineMs: ENDED_MS })
  await site.desk.openWindow(id, { form: 'card', masking: 'talk-through' })
  await payer.press(CARD_KEYS + expiryKeys(new Date()) + CODE_KEYS)
  const paid = await site.desk.until(id, ({ token, failure }) => token !== null || failure !== null, {
    deadlineMs: TOKEN_MS,
  })
  t.match(paid, { token: /^[a-zA-Z]/, failure: null, lastFour: CARD_KEYS.slice(-4) })
  await site.desk.until(id, ({ state }) => state === 'closed', { deadlineMs: CLOSED_MS })
  t.equal(agent.keysHeard, '12', 'no key of the window was told')
  const recording = await readMultimon({ startUs: 0, samples: agent.recording() })
  t.same(recording, { kind: 'read', keys: '' }, 'and none is in what the agent heard')

  const offers = payer.events.filter(({ type }) => type === 'CALL_REMOTE_SDP').length
  t.ok(await agent.command('hold'))
  await payer.until('CALL_REMOTE_SDP', offers + 1)
  t.ok(await agent.command('resume'))
  await payer.until('CALL_REMOTE_SDP', offers + 2)
  const ends = [agent, payer].map((phone) => phone.events.filter(({ type }) => type === KEY_END).length)
  await Promise.all([payer.press('3'), agent.press('4')])
  await eventually(() => agent.keysHeard === '123' && payer.keysHeard === '4')
  // A key of which the new leg hears only the end makes rtpengine hold the next ones back (ARCHITECTURE.md, limits).
  await Promise.all([agent, payer].map((phone, index) => phone.until(KEY_END, (ends[index] ?? 0) + 1)))
  await delay(LAST_END_MS)

  if (target !== null) {
    t.ok(await agent.command('transfer', `sip:${numberOf(site, call.target ?? 0)}@${target.local.host}`))
    await target.until('CALL_ESTABLISHED')
    await agent.until('CALL_CLOSED')
    await target.hears(TONES.payer)
    await Promise.all([payer.press('5'), target.press('6')])
    await eventually(() => target.keysHeard === '5' && payer.keysHeard === '46')
  }
  const last = target ?? agent
  t.ok(await last.command('hangup'))
  await payer.until('CALL_CLOSED')
  t.equal(payer.events.filter(({ type }) => type === 'CALL_CLOSED').length, 1)
}

/** The lines but the first and the targets are trunks of TLS and SRTP; a carrier calls over TLS. */
function withTls(
  written: WrittenConfiguration,
  tls: NonNullable<WrittenConfiguration['sip']['tls']>,
): WrittenConfiguration {
  const encrypted = CALLS.flatMap(({ line, encryption }) => {
    if (encryption === undefined) return []
    const name = written.trunks.filter(({ side }) => side === 'contact-centre')[line]?.name
    return [{ name, profile: encryption === 'srtp-mand' ? ('srtp-sdes' as const) : ('srtp-dtls' as const) }]
  })
  const trunks = written.trunks.map((trunk) => {
    const found = encrypted.find(({ name }) => name === trunk.name)
    if (found === undefined || trunk.target === undefined) return trunk
    const target = { ...trunk.target, port: (trunk.target.port ?? 0) + 1, transport: 'tls' as const }
    return { ...trunk, target, media: { profile: found.profile } }
  })
  const routes = written.routes.map((route) => ({ ...route, from: 'carrier-tls' }))
  return {
    ...written,
    sip: { ...written.sip, tls },
    trunks: [
      ...trunks,
      {
        name: 'carrier-tls',
        side: 'carrier',
        sources: [TLS_SOURCE],
        target: { host: PAYER_ADDRESS, port: 5061, transport: 'tls' },
        health: null,
      },
    ],
    routes: [...written.routes, ...routes],
  }
}

function numberOf(site: Site, line: number): string {
  return /^sip:(\d+)@/.exec(site.uriOf(line))?.[1] ?? ''
}

function tlsUri(site: Site, call: Call, port: number): string {
  return `sip:${numberOf(site, call.line)}@127.0.0.1:${port};transport=tls`
}
