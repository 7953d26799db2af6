import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { Registrations } from '../../src/sbc/registration.ts'
import { hearRequests, SipServer, type SipRequest, type SipResponse } from '../../src/sbc/sip-server.ts'
import { Trunks } from '../../src/sbc/trunks.ts'
import type { HostPort } from '../../src/wire/configuration.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'
import { testTrunk } from '../fakes/test-trunk.ts'
import { SECRET, serve } from '../sipd/application.ts'
import { SDP } from '../sipd/raw-peer.ts'

/** Debian's folder of it, which a user's PATH may leave out. */
const SYSTEM_PATH = '/usr/sbin'
const READY_MS_MAX = 15_000
const CLOSE_MS = 3_000
const DOMAIN = 'carrier.example.com'
const CREDENTIALS = { user: 'trunk-user', password: 'secret-of-the-trunk' }
const logger = createLogger({ role: 'test', level: 'silent' })

/** A carrier that wants a registration, and a proof for each call, and sends calls to where the registration says. */
const settings = (sip: HostPort) => `#!KAMAILIO
debug=0
log_stderror=yes
children=2
disable_tcp=yes
listen=udp:${sip.host}:${sip.port}
auto_aliases=no
dns=no
rev_dns=no
alias="${DOMAIN}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
request_route {
  if (has_totag()) {
    if (loose_route()) t_relay();
    else if (is_method("ACK") && t_check_trans()) t_relay();
    exit;
  }
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("${DOMAIN}", "${CREDENTIALS.password}", "0")) {
      www_challenge("${DOMAIN}", "1");
      exit;
    }
    save("location");
    exit;
  }
  if (is_method("OPTIONS")) {
    sl_send_reply("200", "OK");
    exit;
  }
  if (is_method("INVITE")) {
    if (!pv_proxy_authenticate("${DOMAIN}", "${CREDENTIALS.password}", "0")) {
      proxy_challenge("${DOMAIN}", "1");
      exit;
    }
    record_route();
    if (!lookup("location")) {
      sl_send_reply("404", "Not Found");
      exit;
    }
    t_relay();
  }
}
`

async function startKamailio(t: Test): Promise<HostPort> {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-registrar-'))
  const sip = { host: '127.0.0.1', port: await freePort() }
  const file = join(folder, 'kamailio.cfg')
  writeFileSync(file, settings(sip))
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'TERM', 'kamailio', '-DD', '-E', '-f', file, '-Y', folder, '-m', '64'],
    { cwd: folder, stdio: 'ignore', env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:${SYSTEM_PATH}` } },
  )
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await Promise.race([once(child, 'exit'), delay(CLOSE_MS)])
      child.kill('SIGKILL')
    }
    rmSync(folder, { recursive: true, force: true })
  })
  return sip
}

/** An sbc's part that speaks SIP, on a SIP server of its own. */
async function startServer(t: Test, invite: (server: SipServer, request: SipRequest, response: SipResponse) => void) {
  const served = await serve(t)
  const server: SipServer = new SipServer({
    host: '127.0.0.1',
    port: served.sipd.addresses.control.port,
    secret: SECRET,
    logger,
    handlers: {
      invite: (request, response) => invite(server, request, response),
      options: () => undefined,
      lost: () => undefined,
      connected: () => undefined,
    },
  })
  t.teardown(() => server.close())
  await server.waitConnected()
  return server
}

t.test(
  'a kamailio registers the trunk, asks for a proof of each call, and sends calls where the trunk is',
  async (t) => {
    const carrier = await startKamailio(t)
    const called: SipRequest[] = []
    const registered = await startServer(t, (server, request, response) => {
      called.push(request)
      void server.answer(request, response, { sdp: SDP, headers: {} }).then((dialog) => dialog && hearRequests(dialog))
    })
    const target = `sip:${carrier.host}:${carrier.port}`
    const ask = { method: 'OPTIONS', headers: {}, deadlineMs: 300 }
    await eventually(async () => (await registered.request(target, ask)).kind === 'answered', READY_MS_MAX)
    const metrics = new Metrics('sbc')
    const lines: string[] = []
    const registrations = new Registrations({
      trunks: new Trunks({
        trunks: [
          testTrunk({
            name: 'carrier',
            side: 'carrier',
            target: carrier,
            registration: { user: '+4989', domain: DOMAIN, expiresSeconds: 60 },
          }),
        ],
        routes: [],
      }).all(),
      sip: registered,
      secrets: { credentials: () => CREDENTIALS },
      logger: createLogger({ role: 'sbc', level: 'info', stream: { write: (line) => lines.push(line) } }),
      metrics,
      chance: () => 0,
    })
    t.teardown(() => registrations.close())
    await eventually(async () => /registered{trunk="carrier",role="sbc"} 1/.test(await metrics.registry.metrics()))
    t.match(lines, [/registered at the carrier/])

    const other = await startServer(t, () => undefined)
    const call = (credentials: typeof CREDENTIALS | null) =>
      other.invite(
        `sip:+4989@${DOMAIN}`,
        {
          sdp: SDP,
          headers: { 'Content-Type': 'application/sdp' },
          callingNumber: '4711',
          credentials,
          proxy: target,
        },
        { sent: () => undefined, provisional: () => undefined },
      )
    t.match(await call(null), { kind: 'rejected', status: 407 })
    t.match(await call({ ...CREDENTIALS, password: 'wrong' }), { kind: 'rejected', status: 407 })
    const answered = await call(CREDENTIALS)
    t.equal(answered.kind, 'answered')
    t.match(called[0]?.uri, 'sip:+4989@127.0.0.1:')
    if (answered.kind === 'answered') await answered.dialog.destroy()

    await registrations.close()
    t.match(await call(CREDENTIALS), { kind: 'rejected', status: 404 }, 'the trunk has taken its registration back')
  },
)
