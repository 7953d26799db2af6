import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { parse, stringify } from 'yaml'
import type { WrittenConfiguration } from '../../src/main/configuration-defaults.ts'
import { runReloadCommand } from '../../src/main/reload-command.ts'
import { valueOf, type SipRequest } from '../../src/sipd/message.ts'
import { freePort } from '../fakes/free-port.ts'
import { SipAuthority, type SipCertificate } from '../fakes/sip-certificates.ts'
import { startSipSite } from '../fakes/sip-site.ts'
import { RawPeer, SDP } from '../sipd/raw-peer.ts'

/** Most of it is for a machine that does much else. */
const FILE_MS_MAX = 150_000
const HOST = '127.0.0.1'
const PBX = '127.0.0.8'
const NEWCOMER = '127.0.0.9'

t.test(
  'a site takes certificates, trunks and registrations anew while a call lives',
  { timeout: FILE_MS_MAX },
  async (t) => {
    const authority = new SipAuthority()
    const folder = mkdtempSync(join(tmpdir(), 'tonewall-reload-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const files = {
      certificate: join(folder, 'own.crt'),
      key: join(folder, 'own.key'),
      authority: join(folder, 'authority.crt'),
    }
    const passwordFile = join(folder, 'password')
    writeFileSync(passwordFile, 'secret\n', { mode: 0o600 })
    const show = (leaf: SipCertificate): void => {
      writeFileSync(files.certificate, leaf.certificate)
      writeFileSync(files.key, leaf.key)
    }
    const leafOf = (host: string) => authority.leaf({ sip: [host], ip: [host] })
    show(leafOf(HOST))
    writeFileSync(files.authority, authority.certificate)
    const proof = { ...leafOf(PBX), authority: authority.certificate }
    const [pbx, newcomer] = [await RawPeer.tls(proof, PBX), await RawPeer.udp(NEWCOMER)]
    const tls = { host: HOST, port: await freePort() }
    const site = await startSipSite(t, (written) => ({
      ...written,
      sip: { ...written.sip, tls: { addresses: [tls], ...files, mutual: true } },
      trunks: [
        ...written.trunks,
        {
          name: 'pbx',
          // A file of a password that is new needs a restart: the sbc may read none but those that it knew.
          credentials: { user: 'tonewall', passwordFile },
          side: 'contact-centre',
          sources: [PBX],
          target: { ...pbx.address, transport: 'tls' },
          health: null,
        },
      ],
      routes: [...written.routes, { from: 'pbx', to: 'carrier' }],
    }))
    const carrier = await RawPeer.udp(site.carrier.host, site.carrier.port)
    t.teardown(() => Promise.all([pbx, newcomer, carrier].map((peer) => peer.close())))
    const { configuration, configurationFile } = site
    const written = parse(readFileSync(configurationFile, 'utf8')) as WrittenConfiguration
    const said: string[] = []
    const reload = (next: WrittenConfiguration): Promise<number> => {
      said.length = 0
      writeFileSync(configurationFile, stringify(next))
      return runReloadCommand({ kind: 'reload', configurationFile, file: null }, configuration, (line) =>
        said.push(line),
      )
    }
    const servedSerial = async (): Promise<string> => {
      const socket = connect({ ...tls, cert: proof.certificate, key: proof.key, ca: proof.authority, servername: '' })
      await once(socket, 'secureConnect')
      const { serialNumber } = socket.getPeerCertificate()
      socket.end()
      return serialNumber
    }

    const sdp = `${SDP.replace('RTP/AVP 0', 'RTP/AVP 0 101')}a=rtpmap:101 telephone-event/8000\r\n`
    const invite = pbx.request(tls, { method: 'INVITE', uri: `sip:1800@${HOST}`, body: sdp })
    const called = await carrier.nextRequest('INVITE')
    carrier.respond(called, site.sip, { status: 200, tag: 'carrier', body: sdp })
    const response = await pbx.nextResponse('INVITE', 200)
    const call = { invite, response }
    pbx.inDialog(tls, call, { method: 'ACK', cseq: 1 })
    let sequence = 1
    const lives = async (t: Test): Promise<void> => {
      pbx.inDialog(tls, call, { method: 'OPTIONS', cseq: (sequence += 1) })
      t.equal((await pbx.nextResponse('OPTIONS', 200)).status, 200, 'the call lives')
    }
    const optionsOf = async (peer: RawPeer, to: typeof tls): Promise<number> => {
      peer.request(to, { method: 'OPTIONS' })
      return (await peer.nextResponse('OPTIONS', 200, 699)).status
    }

    await t.test('a certificate that was replaced is shown to who connects, and a bad one is not taken', async (t) => {
      const before = await servedSerial()
      show(leafOf(HOST))
      t.equal(await servedSerial(), before, 'not before it is told')
      t.equal(await reload(written), 0)
      const after = await servedSerial()
      t.not(after, before)
      await lives(t)
      writeFileSync(files.certificate, leafOf(HOST).certificate)
      t.equal(await reload(written), 1, 'a certificate without its key')
      t.match(said, [/sip\.tls cannot be read or used/])
      t.equal(await servedSerial(), after)
      await lives(t)
    })
    show(leafOf(HOST))

    await t.test(
      'a trunk that is new is taken calls from, and one that is gone keeps the call that it has',
      async (t) => {
        t.equal(await optionsOf(newcomer, site.sip), 403)
        const another = {
          name: 'newcomer',
          side: 'contact-centre',
          sources: [NEWCOMER],
          target: newcomer.address,
          health: null,
        } as const
        t.equal(await reload({ ...written, trunks: [...written.trunks, another] }), 0)
        t.same(said, ['Taken: trunks.'])
        t.equal(await optionsOf(newcomer, site.sip), 200)
        // Whoever is no trunk is not even answered now.
        const without = {
          ...written,
          sip: { ...written.sip, strangers: 'drop' as const },
          trunks: written.trunks.filter(({ name }) => name !== 'pbx'),
          routes: written.routes.filter(({ from }) => from !== 'pbx'),
        }
        t.equal(await reload(without), 0)
        await lives(t)
        t.equal(await reload(written), 0)
        t.equal(await optionsOf(newcomer, site.sip), 403)
        await lives(t)
      },
    )

    await t.test('a registration is made, changed and taken back as the file says', async (t) => {
      const registrar = await RawPeer.udp(NEWCOMER)
      t.teardown(() => registrar.close())
      const registered = async (user: string, isMade: boolean): Promise<void> => {
        const request: SipRequest = await registrar.nextRequest('REGISTER')
        const contact = valueOf(request, 'contact') ?? ''
        t.match(valueOf(request, 'to'), `sip:${user}@registrar.example.com`)
        const expires = /;expires=(\d+)/.exec(contact)?.[1] ?? valueOf(request, 'expires')
        t.equal(expires === '0', !isMade, isMade ? 'made' : 'taken back')
        registrar.respond(request, site.sip, {
          status: 200,
          tag: 'r',
          headers: isMade ? { contact, expires: '60' } : {},
        })
      }
      const withUser = (user: string): WrittenConfiguration => ({
        ...written,
        trunks: [
          ...written.trunks,
          {
            name: 'itsp',
            side: 'carrier',
            sources: ['127.0.0.10'],
            target: registrar.address,
            health: null,
            credentials: { user, passwordFile },
            registration: { user, domain: 'registrar.example.com', expiresSeconds: 60 },
          },
        ],
      })
      t.equal(await reload(withUser('4989')), 0)
      await registered('4989', true)
      t.equal(await reload(withUser('4990')), 0)
      await registered('4989', false)
      await registered('4990', true)
      t.equal(await reload(written), 0)
      await registered('4990', false)
      await lives(t)
    })

    pbx.inDialog(tls, call, { method: 'BYE', cseq: (sequence += 1) })
    const bye = await carrier.nextRequest('BYE')
    carrier.respond(bye, site.sip, { status: 200 })
    t.equal((await pbx.nextResponse('BYE', 200)).status, 200)
  },
)
