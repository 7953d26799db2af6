import { once } from 'node:events'
import { connect, createServer, type TLSSocket } from 'node:tls'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { addressOf, handshakeRefusal, rememberAddresses } from '../../src/kit/refused-handshake.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'

const authority = new SipAuthority()
const stranger = new SipAuthority()
const own = authority.leaf({ dns: ['server.invalid'] })

t.test('each handshake that fails has its reason and its address', async (t) => {
  const server = createServer({
    cert: own.certificate,
    key: own.key,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
    crl: authority.revocations([own]),
    minVersion: 'TLSv1.3',
  })
  rememberAddresses(server)
  const refused: { readonly why: string; readonly address: string | undefined }[] = []
  server.on('tlsClientError', (_error, socket: TLSSocket) => {
    refused.push({ why: handshakeRefusal(socket), address: addressOf(socket) })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  for (const identity of [
    own,
    authority.leaf({ dns: ['a.invalid'], endsInMs: -60_000 }),
    stranger.leaf({ dns: ['a.invalid'] }),
    null,
  ]) {
    const before = refused.length
    const proof = identity === null ? {} : { cert: identity.certificate, key: identity.key }
    const socket = connect({ host: '127.0.0.1', port, ...proof, rejectUnauthorized: false })
    socket.on('error', () => undefined)
    if (refused.length === before) await once(server, 'tlsClientError')
    socket.destroy()
  }
  t.same(
    refused.map(({ why }) => why),
    ['certificate_revoked', 'certificate_expired', 'tls_refused', 'tls_refused'],
  )
  t.same(new Set(refused.map(({ address }) => address)), new Set(['127.0.0.1']))
  server.close()
})
