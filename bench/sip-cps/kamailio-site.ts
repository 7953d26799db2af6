import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createSocket } from 'node:dgram'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { HostPort } from '../../src/wire/configuration.ts'
import { eventually } from '../../test/fakes/eventually.ts'
import { freePort } from '../../test/fakes/free-port.ts'
import { CALLEE_HOST, type CpsSite } from './cps-site.ts'
import { startEngines } from './engines.ts'

const READY_MS_MAX = 10_000
const ANSWER_MS = 200
const CLOSE_MS = 3_000
/** Debian's folder of it, which a user's PATH may leave out. */
const SYSTEM_PATH = '/usr/sbin'

/**
 * The least that makes a kamailio proxy with its media in rtpengine: Record-Route, transactions, an offer, an answer and
 * a delete. It keeps no call and asks nobody where calls come from.
 */
const settings = (options: {
  readonly sip: HostPort
  readonly callee: HostPort
  readonly engines: readonly HostPort[]
}) => `
#!KAMAILIO
debug=0
log_stderror=yes
children=2
disable_tcp=yes
listen=udp:${options.sip.host}:${options.sip.port}
auto_aliases=no
dns=no
rev_dns=no
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "rtpengine.so"
modparam("rtpengine", "rtpengine_sock", "${options.engines.map(({ host, port }) => `udp:${host}:${port}`).join(' ')}")
request_route {
  if (!mf_process_maxfwd_header("70")) exit;
  if (has_totag()) {
    if (loose_route()) {
      if (is_method("BYE")) rtpengine_delete();
      t_relay();
    } else if (is_method("ACK") && t_check_trans()) t_relay();
    exit;
  }
  if (is_method("CANCEL")) {
    if (t_check_trans()) t_relay();
    exit;
  }
  t_check_trans();
  if (is_method("OPTIONS")) {
    sl_send_reply("200", "OK");
    exit;
  }
  if (!is_method("INVITE")) exit;
  record_route();
  rtpengine_offer("trust-address replace-origin replace-session-connection ICE=remove");
  t_on_reply("ANSWERED");
  $du = "sip:${options.callee.host}:${options.callee.port}";
  t_relay();
}
onreply_route[ANSWERED] {
  if (status =~ "200") rtpengine_answer("trust-address replace-origin replace-session-connection ICE=remove");
}
`

/** Debian's kamailio as a proxy, with rtpengines of its own. */
export async function startKamailioSite(): Promise<CpsSite> {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-kamailio-'))
  const callee = { host: CALLEE_HOST, port: await freePort() }
  const sip = { host: '127.0.0.1', port: await freePort() }
  const engines = await startEngines()
  const file = join(folder, 'kamailio.cfg')
  writeFileSync(file, settings({ sip, callee, engines: engines.addresses }).trimStart())
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'TERM', 'kamailio', '-DD', '-E', '-f', file, '-Y', folder, '-m', '256'],
    {
      cwd: folder,
      stdio: 'ignore',
      env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:${SYSTEM_PATH}` },
    },
  )
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await Promise.race([once(child, 'exit'), delay(CLOSE_MS)])
      child.kill('SIGKILL')
    }
    await engines.close()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error('kamailio did not start')
      return answersOptions(sip)
    }, READY_MS_MAX)
  } catch (error) {
    await close()
    throw error
  }
  const main = child.pid ?? 0
  return {
    name: 'kamailio + rtpengine',
    sip,
    callee,
    signalling: new Map([['kamailio', [main, ...childrenOf(main)]]]),
    media: new Map([['rtpengine', engines.pids]]),
    metrics: new Map(),
    close,
  }
}

function childrenOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return children === '' ? [] : children.split(' ').map(Number)
}

async function answersOptions(sip: HostPort): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    const answered = new Promise<boolean>((resolve) => {
      socket.once('message', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.send(
      [
        `OPTIONS sip:${sip.host}:${sip.port} SIP/2.0`,
        'Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKready;rport',
        'From: <sip:ready@127.0.0.1>;tag=ready',
        `To: <sip:${sip.host}:${sip.port}>`,
        'Call-ID: ready',
        'CSeq: 1 OPTIONS',
        'Max-Forwards: 70',
        'Content-Length: 0',
        '\r\n',
      ].join('\r\n'),
      sip.port,
      sip.host,
    )
    return await Promise.race([answered, delay(ANSWER_MS, false)])
  } finally {
    socket.close()
  }
}
