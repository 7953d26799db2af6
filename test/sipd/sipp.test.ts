import { spawn, spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { application, serve } from './application.ts'

const CALLS = 20

for (const transport of ['udp', 'tcp'] as const) {
  t.test(`${CALLS} calls of sipp pass a drachtio-srf B2BUA over ${transport}`, async (t) => {
    const served = await serve(t)
    const folder = await mkdtemp(join(tmpdir(), 'sipp-'))
    t.teardown(() => rm(folder, { recursive: true }))
    const uasPort = await freePort(transport)
    const uacPort = await freePort(transport)
    const protocol = transport === 'udp' ? 'u1' : 't1'
    const suffix = transport === 'tcp' ? ';transport=tcp' : ''
    let failed = 0
    await application(t, served.sipd, (srf) => {
      srf.invite((request, response) => {
        srf
          .createB2BUA(request, response, `sip:service@127.0.0.1:${uasPort}${suffix}`, { localSdpB: request.body })
          .then(
            ({ uas, uac }) => {
              uas.on('destroy', () => void uac.destroy())
              uac.on('destroy', () => void uas.destroy())
            },
            () => (failed += 1),
          )
      })
    })
    const shared = [
      '-i',
      '127.0.0.1',
      '-t',
      protocol,
      '-nostdin',
      '-m',
      String(CALLS),
      '-timeout',
      '30s',
      '-timeout_error',
    ]
    const uas = sipp(folder, ['-sn', 'uas', '-p', String(uasPort), '-mp', String(await freePort(transport)), ...shared])
    const uac = sipp(folder, [
      ...[
        '-sn',
        'uac',
        '-p',
        String(uacPort),
        '-mp',
        String(await freePort(transport)),
        '-r',
        '20',
        '-l',
        '5',
        '-d',
        '50',
        ...shared,
      ],
      `127.0.0.1:${served[transport].port}`,
    ])
    t.teardown(() => [uas, uac].forEach(({ child }) => child.kill('SIGKILL')))
    t.equal(await uac.exit, 0, 'every call of the caller succeeded')
    t.equal(await uas.exit, 0, 'every call of the callee succeeded')
    t.equal(failed, 0)
  })
}

t.test(`${CALLS} calls of sipp pass a proxy that stays in the dialog`, async (t) => {
  const { sipd, udp } = await serve(t)
  const folder = await mkdtemp(join(tmpdir(), 'sipp-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const [uasPort, uacPort, uasMedia, uacMedia] = [
    await freePort('udp'),
    await freePort('udp'),
    await freePort('udp'),
    await freePort('udp'),
  ]
  const connected: Promise<boolean>[] = []
  await application(t, sipd, (srf) => {
    srf.invite((request) => {
      const proxied = srf.proxyRequest(request, `127.0.0.1:${uasPort}`, { remainInDialog: true })
      connected.push(proxied.then((outcome) => (outcome as { connected: boolean }).connected))
    })
  })
  // sipp's own scenarios, but with the route set that a proxy in the dialog makes.
  const uasFile = scenario(folder, 'uas', (text) =>
    text.replace(/(\[last_To:\];tag=.*\n)(\s*)/g, '$1$2[last_Record-Route:]\n$2'),
  )
  const uacFile = scenario(folder, 'uac', (text) =>
    text
      .replace(/(recv response="200"[^>]*?)( rtd="true")?>/, '$1$2 rrs="true">')
      .replace(/(ACK|BYE) sip:\S+ SIP/g, '$1 [next_url] SIP')
      .replace(/(ACK|BYE) (\[next_url\] SIP\/2\.0\n)(\s*)/g, '$1 $2$3[routes]\n$3'),
  )
  const shared = ['-i', '127.0.0.1', '-nostdin', '-m', String(CALLS), '-timeout', '30s', '-timeout_error']
  const uas = sipp(folder, ['-sf', uasFile, '-p', String(uasPort), '-mp', String(uasMedia), ...shared])
  const pace = ['-r', '20', '-l', '5', '-d', '50', '-p', String(uacPort), '-mp', String(uacMedia)]
  const uac = sipp(folder, ['-sf', uacFile, ...pace, ...shared, `127.0.0.1:${udp.port}`])
  t.teardown(() => [uas, uac].forEach(({ child }) => child.kill('SIGKILL')))
  t.equal(await uac.exit, 0, 'every call of the caller succeeded')
  t.equal(await uas.exit, 0, 'every call of the callee succeeded, ACK and BYE included')
  t.same(await Promise.all(connected), Array<boolean>(CALLS).fill(true))
})

function scenario(folder: string, name: 'uas' | 'uac', change: (text: string) => string): string {
  const file = join(folder, `${name}.xml`)
  const { stdout } = spawnSync('sipp', ['-sd', name], { encoding: 'utf8' })
  writeFileSync(file, change(stdout))
  return file
}

function sipp(folder: string, options: readonly string[]) {
  const child = spawn('sipp', options, { cwd: folder, stdio: 'ignore' })
  const exit = once(child, 'exit').then(([code]: unknown[]) => code)
  return { child, exit }
}

/** A port that is free for this transport; one that is free for UDP may be taken for TCP. */
async function freePort(transport: 'udp' | 'tcp'): Promise<number> {
  if (transport === 'udp') {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address()
    socket.close()
    return port
  }
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  server.close()
  if (bound === null || typeof bound === 'string') throw new Error('no address')
  return bound.port
}
