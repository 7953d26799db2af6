import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { valueOf } from '../../src/sipd/message.ts'
import { freePort } from '../fakes/free-port.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'
import { startSipSite } from '../fakes/sip-site.ts'
import { RawPeer, SDP } from '../sipd/raw-peer.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 90_000
const NUMBER = '4989123'

function described(types: string): string {
  return `${SDP.replace('RTP/AVP 0', `RTP/AVP ${types}`)}a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n`
}

t.test('a PBX over TLS, both sides showing certificates', { timeout: FILE_MS_MAX }, async (t) => {
  const authority = new SipAuthority()
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-tls-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const own = authority.leaf({ sip: ['sbc.example.com'], ip: ['127.0.0.1'] })
  const files = {
    certificate: join(folder, 'own.crt'),
    key: join(folder, 'own.key'),
    authority: join(folder, 'authority.crt'),
  }
  writeFileSync(files.certificate, own.certificate)
  writeFileSync(files.key, own.key)
  writeFileSync(files.authority, authority.certificate)
  const host = '127.0.0.8'
  const identity = { ...authority.leaf({ sip: [host], ip: [host] }), authority: authority.certificate }
  const stranger = new SipAuthority()
  const unknown = { ...stranger.leaf({ sip: [host], ip: [host] }), authority: authority.certificate }
  const pbx = await RawPeer.tls(identity, host)
  const impostor = await RawPeer.tls(unknown, host)
  t.teardown(() => Promise.all([pbx.close(), impostor.close()]))
  const tlsPort = await freePort()
  const site = await startSipSite(t, (written) => ({
    ...written,
    sip: { ...written.sip, tls: { addresses: [{ host: '127.0.0.1', port: tlsPort }], ...files, mutual: true } },
    trunks: [
      ...written.trunks,
      {
        name: 'pbx',
        side: 'contact-centre' as const,
        sources: [host, '127.0.0.1'],
        // The first does not prove who it is, so it is not called.
        targets: [
          { ...impostor.address, transport: 'tls' as const, priority: 1 },
          { ...pbx.address, transport: 'tls' as const, priority: 2 },
        ],
        health: null,
      },
    ],
    routes: [
      { from: 'carrier', prefix: '49', to: 'pbx' },
      { from: 'pbx', to: 'carrier' },
      ...written.routes.filter(({ from }) => from === 'carrier'),
    ],
  }))
  const calling = site.run({
    local: { host: site.carrier.host },
    remote: { ...site.sip, number: NUMBER },
    steps: ['calls', 'is-answered', 'is-hung-up'],
  })
  const invite = await pbx.nextRequest('INVITE')
  t.match(invite.uri, `sip:${NUMBER}@${host}:${pbx.address.port};transport=tls`)
  t.match(valueOf(invite, 'via'), /^SIP\/2\.0\/TLS /)
  t.match(valueOf(invite, 'contact'), `:${tlsPort};transport=tls`)
  t.same(impostor.log, [], 'who cannot prove its name hears nothing of the call')
  const from = pbx.lastFrom
  if (from === undefined) return void t.fail('no connection')
  pbx.respond(invite, from, { status: 200, tag: 'pbx', body: described('0 101') })
  await pbx.nextRequest('ACK')
  pbx.request(from, {
    method: 'BYE',
    uri: /<([^>]+)>/.exec(valueOf(invite, 'contact') ?? '')?.[1] ?? '',
    headers: {
      'call-id': valueOf(invite, 'call-id') ?? '',
      from: `${valueOf(invite, 'to') ?? ''};tag=pbx`,
      to: valueOf(invite, 'from') ?? '',
      cseq: '2 BYE',
    },
  })
  t.equal((await pbx.nextResponse('BYE', 200)).status, 200)
  t.equal((await (await calling).result()).exitCode, 0)

  const answering = site.run({ local: site.carrier, steps: ['is-called', 'answers', 'is-hung-up'] })
  await answering
  const out = pbx.request(
    { host: '127.0.0.1', port: tlsPort },
    { method: 'INVITE', uri: `sip:1800@127.0.0.1`, body: described('0 8 101') },
  )
  const response = await pbx.nextResponse('INVITE', 200)
  pbx.inDialog({ host: '127.0.0.1', port: tlsPort }, { invite: out, response }, { method: 'ACK', cseq: 1 })
  pbx.inDialog({ host: '127.0.0.1', port: tlsPort }, { invite: out, response }, { method: 'BYE', cseq: 2 })
  t.equal((await pbx.nextResponse('BYE', 200)).status, 200)
  t.equal((await (await answering).result()).exitCode, 0)
})
