import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { freePort } from '../fakes/free-port.ts'
import { application, serve } from './application.ts'

const CALLS = 5

const VIA = 'Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]'
const SDP =
  'v=0\no=- 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\nm=audio [media_port] RTP/AVP 0\na=rtpmap:0 PCMU/8000'
const BODY = `Content-Type: application/sdp\nContent-Length: [len]\n\n${SDP}`
const send = (text: string, options = ''): string => `<send ${options}><![CDATA[\n${text}\n]]></send>`
const reply = (status: string, more = 'Content-Length: 0'): string =>
  send(`SIP/2.0 ${status}\n[last_Via:]\n[last_From:]\n[last_To:];tag=[call_number]\n[last_Call-ID:]\n[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>\n${more}\n`)
/** For the answer that follows after other requests. */
const saved = (name: string): string =>
  `<ereg regexp=".*" search_in="hdr" header="${name}:" check_it="true" assign_to="${name.toLowerCase()}"/>`
const late = (status: string, more: string): string =>
  send(`SIP/2.0 ${status}\nVia:[$via]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\nCSeq:[$cseq]
Contact: <sip:[local_ip]:[local_port]>\n${more}\n`)
const again = (status: string, more = 'Content-Length: 0'): string =>
  reply(status, more).replace(';tag=[call_number]', '')
const request = (method: string, cseq: number, more = 'Content-Length: 0'): string =>
  send(`${method} [next_url] SIP/2.0\n${VIA}\nFrom: <sip:caller@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:service@[remote_ip]:[remote_port]>[peer_tag_param]\nCall-ID: [call_id]\nCSeq: ${cseq} ${method}\nContact: <sip:[local_ip]:[local_port]>\nMax-Forwards: 70\n${more}\n`)
const scenario = (steps: readonly string[]): string =>
  `<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="dialogs">\n${steps.join('\n')}\n</scenario>\n`

/** Calls with 100rel, without timers: PRACKs the 183, is refreshed by INVITE, hangs up. */
const CALLER = scenario([
  send(
    `INVITE sip:service@[remote_ip]:[remote_port] SIP/2.0\n${VIA}\nFrom: <sip:caller@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:service@[remote_ip]:[remote_port]>\nCall-ID: [call_id]\nCSeq: 1 INVITE\nContact: <sip:[local_ip]:[local_port]>
Max-Forwards: 70\nSupported: 100rel\n${BODY}\n`,
    'retrans="500"',
  ),
  '<recv response="100" optional="true"/>',
  `<recv response="183" rrs="true"><action><ereg regexp="RSeq: *([0-9]+)" search_in="msg" check_it="true" assign_to="all,rseq"/></action></recv>`,
  request('PRACK', 2, 'RAck: [$rseq] 1 INVITE\nContent-Length: 0'),
  '<recv response="200"/>',
  '<recv response="200" rrs="true"/>',
  request('ACK', 1),
  '<recv request="INVITE"/>',
  again('200 OK', BODY),
  '<recv request="ACK"/>',
  request('BYE', 3),
  '<recv response="200"/>',
  '<Reference variables="all"/>',
])

/** Is called: a reliable 183, an answer with a timer that the server refreshes by UPDATE after four seconds. */
const CALLEE = scenario([
  `<recv request="INVITE"><action>${saved('Via')}${saved('CSeq')}</action></recv>`,
  reply('183 Session Progress', `Require: 100rel\nRSeq: 41\n${BODY}`),
  '<recv request="PRACK"><action><ereg regexp="RAck: *41 +[0-9]+ +INVITE" search_in="msg" check_it="true" assign_to="rack"/></action></recv>',
  again('200 OK'),
  late('200 OK', `Require: timer\nSession-Expires: 8;refresher=uac\nAllow: INVITE, ACK, BYE, UPDATE, PRACK\n${BODY}`),
  '<recv request="ACK"/>',
  '<recv request="UPDATE"><action><ereg regexp="refresher=uac" search_in="hdr" header="Session-Expires:" check_it="true" assign_to="role"/></action></recv>',
  again('200 OK', 'Require: timer\nSession-Expires: 8;refresher=uac\nContent-Length: 0'),
  '<recv request="BYE"/>',
  again('200 OK'),
  '<Reference variables="rack,role"/>',
])

t.test(`${CALLS} calls of sipp with PRACK on both sides, an UPDATE and a re-INVITE that refresh them`, async (t) => {
  const { sipd, udp } = await serve(t, { sessionTimer: { seconds: 8, minSeconds: 1 } })
  const folder = await mkdtemp(join(tmpdir(), 'sipp-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const calleePort = await freePort()
  const failures: unknown[] = []
  await application(t, sipd, (srf) =>
    srf.invite((request, response) => {
      srf
        .createB2BUA(request, response, `sip:service@127.0.0.1:${calleePort}`, {
          localSdpB: request.body,
          headers: { Supported: '100rel' },
          proxyResponseHeaders: ['Require'],
        })
        .then(
          ({ uas, uac }) => uas.on('destroy', () => void uac.destroy()),
          (error: unknown) => failures.push(error),
        )
    }),
  )
  const callee = await sipp(folder, 'callee', CALLEE, ['-p', String(calleePort)])
  const caller = await sipp(folder, 'caller', CALLER, ['-p', String(await freePort()), `127.0.0.1:${udp.port}`])
  t.teardown(() => [callee, caller].forEach(({ child }) => child.kill('SIGKILL')))
  t.same(await Promise.all([caller.outcome, callee.outcome]), [
    { code: 0, errors: '' },
    { code: 0, errors: '' },
  ])
  t.same(failures, [])
})

async function sipp(folder: string, name: string, text: string, options: readonly string[]) {
  const file = join(folder, `${name}.xml`)
  const errors = join(folder, `${name}.log`)
  writeFileSync(file, text)
  writeFileSync(errors, '')
  const media = ['-mp', String(await freePort())]
  const shared = ['-i', '127.0.0.1', '-nostdin', '-m', String(CALLS), '-timeout', '20s', '-timeout_error']
  const logged = ['-trace_err', '-error_file', errors]
  const child = spawn('sipp', ['-sf', file, ...media, ...shared, ...logged, ...options], {
    cwd: folder,
    stdio: 'ignore',
  })
  const outcome = once(child, 'exit').then(async ([code]: unknown[]) => ({
    code,
    errors: await readFile(errors, 'utf8'),
  }))
  return { child, outcome }
}
