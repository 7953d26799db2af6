import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import t from 'tap'
import { RevocationList } from '../../../../src/kit/revocation.ts'
import { SipAuthority, type SipCertificate } from '../../../fakes/sip-certificates.ts'
import { authority, call, certificateOf, openApi } from './api-site.ts'

const HEALTH = '/v1/health'

function open(port: number, by: SipCertificate): TLSSocket {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca: authority.certificate,
    cert: by.certificate,
    key: by.key,
    servername: 'vault.tonewall.internal',
  })
  socket.on('error', () => undefined)
  return socket
}

/** All that comes until the connection ends. */
function heard(socket: TLSSocket): Promise<string> {
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  return new Promise((resolve) => socket.once('close', () => resolve(text)))
}

t.test(
  'who shows no certificate, one that is wrong, expired, of a stranger or of a role of ours, is not heard, and on record',
  async (t) => {
    const { port, refused } = await openApi(t)
    const strangers = new SipAuthority()
    const named = (dns: readonly string[], endsInMs?: number) =>
      authority.leaf({ dns, ...(endsInMs === undefined ? {} : { endsInMs }) })
    const wrong: readonly (readonly [SipCertificate, string])[] = [
      [strangers.leaf({ dns: ['billing.charger.tonewall.internal'] }), 'tls_refused'],
      [named(['billing.charger.tonewall.internal'], -60_000), 'certificate_expired'],
      [named(['guard.tonewall.internal']), 'wrong_role'],
      [named(['nobody.charger.tonewall.internal']), 'wrong_role'],
      [named(['billing.detokenizer.tonewall.internal']), 'wrong_role'],
      [named(['billing.charger.tonewall.internal', 'ann.detokenizer.tonewall.internal']), 'wrong_role'],
    ]
    for (const [by] of wrong) await t.rejects(call({ port, by, path: HEALTH }))
    const bare = connect({ host: '127.0.0.1', port, ca: authority.certificate, servername: 'vault.tonewall.internal' })
    bare.on('error', () => undefined)
    bare.write('GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n')
    t.equal(await heard(bare), '')
    t.same(new Set(refused.map(({ code }) => code)), new Set(wrong.map(([, code]) => code)))
    t.ok(refused.every(({ address }) => address === '127.0.0.1'))
    t.match(await call({ port, by: certificateOf('billing'), path: HEALTH }), { status: 200, json: { status: 'ok' } })
  },
)

t.test('a certificate that is taken back ends its connection and gets no other', async (t) => {
  const file = join(t.testdir(), 'revoked.pem')
  const write = (pem: Buffer): void => {
    writeFileSync(`${file}.new`, pem)
    renameSync(`${file}.new`, file)
  }
  write(authority.revocations([]))
  const revoked = new RevocationList(file)
  const { port, refused } = await openApi(t, { revoked, folder: t.testdir({ vault: {} }) + '/vault' })
  const by = certificateOf('billing')
  t.match(await call({ port, by, path: HEALTH }), { status: 200 })
  const idle = open(port, by)
  const ended = heard(idle)
  await new Promise((resolve) => idle.once('secureConnect', resolve))
  // The server has the connection once it has answered on it.
  idle.write('GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n')
  await new Promise((resolve) => idle.once('data', resolve))
  write(authority.revocations([by]))
  revoked.look()
  await ended
  await t.rejects(call({ port, by, path: HEALTH }))
  t.ok(refused.some(({ code }) => code === 'certificate_revoked'))
  t.match(await call({ port, by: certificateOf('ann'), path: HEALTH }), { status: 200 })
})

t.test('what is too large, no HTTP, or somebody else’s type gets one answer', async (t) => {
  const site = await openApi(t)
  const path = '/v1/merchants/shop/charges'
  const key = 'key-00000001'
  t.match(await site.as('billing', path, { key, body: 'x'.repeat(40_000) }), {
    status: 413,
    json: { code: 'body_too_large' },
  })
  t.match(await site.as('billing', path, { key, body: '{' }), { status: 400 })
  t.match(await site.as('billing', path, { key, body: '{}', headers: { 'content-type': 'text/plain' } }), {
    status: 415,
  })
  t.match(await site.as('billing', HEALTH, { headers: { 'x-long': 'x'.repeat(10_000) } }), { status: 431 })
  const socket = open(site.port, certificateOf('billing'))
  socket.write('EHLO card.example\r\n\r\n')
  t.match(await heard(socket), /^HTTP\/1\.1 400 Refused\r\n[^]*"malformed"/)
  t.match(await site.audit('request'), [/body_too_large/, /malformed/, /not_json/])
})

t.test('whoever sends slowly is let go', async (t) => {
  const { port } = await openApi(t)
  const socket = open(port, certificateOf('billing'))
  const ended = heard(socket)
  socket.write('POST /v1/merchants/shop/charges HTTP/1.1\r\nhost: x\r\ncontent-')
  t.match(await ended, /^HTTP\/1\.1 408 /)
})

t.test('closing twice is once', async (t) => {
  const { port, vault } = await openApi(t)
  t.ok(port > 0)
  await vault.close()
  await vault.close()
})
