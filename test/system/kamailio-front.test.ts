import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { WrittenConfiguration } from '../../src/main/configuration-defaults.ts'
import type { HostPort } from '../../src/wire/configuration.ts'
import { Baresip, type BaresipMessage } from '../fakes/baresip.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'
import { Kamailio } from '../fakes/kamailio.ts'
import { CARD_KEYS, CODE_KEYS, expiryKeys } from '../fakes/site-line.ts'
import { PAYER_ADDRESS, Site } from '../fakes/site.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 120_000
const STATE_MS = 15_000
const NUMBER = '18005550100'
const TONES = { payer: 500, agent: 1_800 }

/** One kamailio on both sides of Tonewall, with an address for each, since a trunk is told by the source of a request. */
const routes = (parts: {
  readonly carrier: HostPort
  readonly agents: HostPort
  readonly tonewall: string
  readonly list: string
}) => `
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "dispatcher.so"
modparam("usrloc", "db_mode", 0)
modparam("dispatcher", "list_file", "${parts.list}")
modparam("dispatcher", "ds_ping_interval", 1)
modparam("dispatcher", "ds_ping_from", "sip:balancer@${parts.carrier.host}:${parts.carrier.port}")
modparam("dispatcher", "ds_probing_mode", 1)
modparam("dispatcher", "ds_probing_threshold", 1)
modparam("tm", "fr_timer", 1000)
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (has_totag()) {
    if (loose_route()) t_relay();
    else if (is_method("ACK") && t_check_trans()) t_relay();
    exit;
  }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
  if (is_method("REGISTER")) { save("location"); exit; }
  if (!is_method("INVITE")) { sl_send_reply("405", "Method Not Allowed"); exit; }
  record_route();
  if ($si == "${parts.tonewall}") {
    if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
  } else if (!ds_select_dst("1", "4")) { sl_send_reply("503", "Service Unavailable"); exit; }
  t_relay();
}
`

t.test(
  'a kamailio in front is registrar of the agents and balances the calls of the carrier',
  { timeout: FILE_MS_MAX },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tonewall-kamailio-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const carrier = { host: '127.0.0.8', port: await freePort() }
    const agents = { host: '127.0.0.9', port: await freePort() }
    const second = { host: '127.0.0.1', port: await freePort() }
    const site = await Site.start({
      say: (line) => t.comment(line),
      guards: 1,
      coolDownMs: 1_000,
      change: (written) => behind(written, { carrier, agents, second }),
    })
    t.teardown(() => site.close())
    const [first] = site.configuration.sip.udp
    if (first === undefined) throw new Error('the site has no SIP address')
    const nobody = { host: '127.0.0.1', port: await freePort() }
    const list = join(folder, 'dispatcher.list')
    const destinations = [first, second, nobody].map(({ host, port }) => `sip:${host}:${port}`)
    const socket = `socket=udp:${carrier.host}:${carrier.port}`
    writeFileSync(list, destinations.map((uri) => `1 ${uri} 0 0 ${socket}\n`).join(''))
    const listen = [carrier, agents].map(({ host, port }) => `${host}:${port}`)
    const kamailio = await Kamailio.start(folder, {
      listen,
      lines: routes({ carrier, agents, tonewall: first.host, list }),
    })
    t.teardown(() => kamailio.close())
    const agentPhone = await Baresip.start({
      name: NUMBER,
      folder,
      local: { host: '127.0.0.3', port: await freePort() },
      toneHz: TONES.agent,
      answers: true,
      domain: `${agents.host}:${agents.port}`,
      account: 'regint=60',
    })
    t.teardown(() => agentPhone.close())
    const payer = await Baresip.start({
      name: 'payer',
      folder,
      local: { host: PAYER_ADDRESS, port: await freePort() },
      toneHz: TONES.payer,
    })
    t.teardown(() => payer.close())

    await t.test(
      'OPTIONS both ways: kamailio finds who answers and who does not, and Tonewall finds kamailio',
      async (t) => {
        const isKnown = async (): Promise<boolean> => (await kamailio.ask('ul.dump')).includes('127.0.0.3')
        await eventually(isKnown, STATE_MS)
        const flags = async () => {
          const told = await kamailio.ask('dispatcher.list')
          return destinations.map((uri) => new RegExp(`URI: ${uri}\\s+FLAGS: (\\w+)`).exec(told)?.[1])
        }
        await eventually(async () => (await flags()).join() === 'AP,AP,IP', STATE_MS)
        t.same(await flags(), ['AP', 'AP', 'IP'])
        const { sbc } = site.configuration.metrics.ports
        await eventually(async () => (await site.counted(sbc, 'tonewall_sbc_target_up')) === 2, STATE_MS)
      },
    )

    await t.test('calls through both addresses, with a window, ended by either side', async (t) => {
      await site.untilTested()
      const calls = [
        { pays: true, ends: agentPhone },
        { pays: false, ends: payer },
        { pays: false, ends: agentPhone },
      ]
      for (const [index, { pays, ends }] of calls.entries()) {
        t.ok(await payer.command('dial', `sip:${NUMBER}@${carrier.host}:${carrier.port}`))
        const { callId } = await payer.until('CALL_ESTABLISHED', index + 1)
        await agentPhone.until('CALL_ESTABLISHED', index + 1)
        await Promise.all([payer.hears(TONES.agent), agentPhone.hears(TONES.payer)])
        if (pays) {
          const id = await site.desk.findCall(callId, { deadlineMs: STATE_MS })
          await site.desk.openWindow(id, { form: 'card', masking: 'talk-through' })
          await payer.press(CARD_KEYS + expiryKeys(new Date()) + CODE_KEYS)
          const paid = await site.desk.until(id, ({ token, failure }) => token !== null || failure !== null, {
            deadlineMs: STATE_MS,
          })
          t.match(paid, { token: /^[a-zA-Z]/, failure: null })
          await site.desk.until(id, ({ state }) => state === 'closed', { deadlineMs: STATE_MS })
          t.equal(agentPhone.keysHeard, '')
        }
        t.ok(await ends.command('hangup'))
        await Promise.all([payer.until('CALL_CLOSED', index + 1), agentPhone.until('CALL_CLOSED', index + 1)])
      }
    })

    await t.test('every request in a dialog went the way that Record-Route says', async (t) => {
      await Promise.all([payer.close(), agentPhone.close()])
      for (const [phone, proxy] of [
        [payer, carrier],
        [agentPhone, agents],
      ] as const) {
        const own = `${phone.local.host}:${phone.local.port}`
        const through = `${proxy.host}:${proxy.port}`
        const requests = phone.messages().filter(({ text }) => /^(INVITE|ACK|BYE) /.test(text))
        t.equal(requests.filter(({ text }) => text.startsWith('BYE ')).length, 3)
        const hops = requests.map(({ from, to }) => [from, to].filter((hop) => hop !== own).join())
        t.same([...new Set(hops)], [through])
        t.same(
          requests.filter(isSentInDialog(own)).filter(({ text }) => !/^Route: /m.test(text)),
          [],
        )
      }
      const contacts = payer.messages().filter(({ text }) => /^SIP\/2\.0 200 [^]*^CSeq: \d+ INVITE/m.test(text))
      const used = contacts.map(({ text }) => /^Contact: <sip:(?:[^@>]*@)?([^>;]+)/m.exec(text)?.[1])
      t.same([...new Set(used)].sort(), [first, second].map(({ host, port }) => `${host}:${port}`).sort())
    })
  },
)

function isSentInDialog(own: string): (message: BaresipMessage) => boolean {
  return ({ from, text }) => from === own && /^(ACK|BYE) /.test(text)
}

function behind(
  written: WrittenConfiguration,
  peers: { readonly carrier: HostPort; readonly agents: HostPort; readonly second: HostPort },
): WrittenConfiguration {
  const health = { everySeconds: 1, downAfter: 2, upAfter: 1 }
  const { carrier, agents, second } = peers
  return {
    ...written,
    sip: { ...written.sip, udp: [...written.sip.udp, second] },
    trunks: [
      { name: 'carrier', side: 'carrier', sources: [carrier.host], target: carrier, health },
      { name: 'agents', side: 'contact-centre', sources: [agents.host], target: agents, health },
    ],
    routes: [{ from: 'carrier', to: 'agents' }],
  }
}
