import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { X509Certificate } from 'node:crypto'
import t, { type Test } from 'tap'
import { ChannelClient, listenChannel, type Channel, type ChannelRefusal } from '../../src/kit/channel.ts'
import type { Identity, Role } from '../../src/kit/identity.ts'
import { createLogger } from '../../src/kit/log.ts'
import type { RefusedPeer } from '../../src/kit/refusals.ts'
import { plainSerial, RevocationList } from '../../src/kit/revocation.ts'
import { eventually } from '../fakes/eventually.ts'
import { SipAuthority, type SipCertificate } from '../fakes/sip-certificates.ts'

const authority = new SipAuthority()
const leaf = (role: Role, endsInMs?: number): SipCertificate =>
  authority.leaf({ dns: [`${role}.tonewall.internal`], ...(endsInMs === undefined ? {} : { endsInMs }) })
const vault = leaf('vault')
const guard = leaf('guard')
const otherGuard = leaf('guard')
const serialOf = ({ certificate }: SipCertificate): string => new X509Certificate(certificate).serialNumber

function identity(role: Role, { certificate, key }: SipCertificate, revoked?: RevocationList): Identity {
  return { role, certificate, key, authority: authority.certificate, ...(revoked === undefined ? {} : { revoked }) }
}

/** A list in a file, put in place at once as an operator should. */
function listFile(t: Test): { readonly file: string; readonly write: (pem: Buffer | string) => void } {
  const file = join(t.testdir(), 'revoked.pem')
  const write = (pem: Buffer | string): void => {
    writeFileSync(`${file}.new`, pem)
    renameSync(`${file}.new`, file)
  }
  write(authority.revocations([]))
  return { file, write }
}

/** The list proper without what stands behind it: OpenSSL takes no such thing. */
function unsigned(pem: Buffer | string): string {
  const der = Buffer.from(pem.toString('latin1').replace(/-----[^-]+-----|\s/g, ''), 'base64')
  // The outer length has two bytes, the inner one: 30 82 hh ll 30 ll.
  const proper = der.subarray(4, 6 + der.readUInt8(5))
  const head = Buffer.from([0x30, proper.length])
  const body = Buffer.concat([head, proper]).toString('base64')
  return `-----BEGIN X509 CRL-----\n${body.replace(/.{64}/g, '$&\n')}\n-----END X509 CRL-----\n`
}

async function listen(t: Test, list: RevocationList) {
  const refused: ChannelRefusal[] = []
  const recorded: RefusedPeer<ChannelRefusal>[] = []
  const open = new Set<Channel<string, string>>()
  const listener = await listenChannel<string, string>({
    host: '127.0.0.1',
    port: 0,
    identity: identity('vault', vault, list),
    allow: ['guard'],
    logger: createLogger({ role: 'vault', level: 'silent' }),
    refused: (code) => refused.push(code),
    record: (peer) => recorded.push(peer),
    accept: () => {
      let mine: Channel<string, string> | null = null
      return {
        parse: String,
        message: (message, _body, reply) => reply(message),
        opened: (channel) => open.add((mine = channel)),
        closed: () => mine !== null && open.delete(mine),
      }
    },
  })
  t.teardown(() => listener.close())
  return { port: listener.port, refused, recorded, open }
}

function connect(t: Test, port: number, by: SipCertificate, revoked?: RevocationList): ChannelClient<string, string> {
  const client = new ChannelClient<string, string>({
    host: '127.0.0.1',
    port,
    identity: identity('guard', by, revoked),
    peer: 'vault',
    parse: String,
    message: () => undefined,
  })
  t.teardown(() => client.close())
  return client
}

const answers = async (client: ChannelClient<string, string>): Promise<boolean> =>
  (await client.request('hello', { deadlineMs: 5_000 })).kind === 'reply'

t.test('a certificate that is taken back loses its open channel, and gets no other; the others stay', async (t) => {
  const { file, write } = listFile(t)
  const list = new RevocationList(file)
  const { port, refused, recorded, open } = await listen(t, list)
  const [revoked, good] = [connect(t, port, guard), connect(t, port, otherGuard)]
  await eventually(() => open.size === 2)
  t.ok(await answers(revoked))
  write(authority.revocations([guard]))
  list.look()
  await eventually(() => refused.filter((code) => code === 'certificate_revoked').length >= 2)
  t.equal(open.size, 1)
  t.ok(await answers(good), 'the channel of the other is still the same')
  t.equal(recorded.length, 1, 'however often it comes, a minute has one record')
  t.match(recorded, [{ code: 'certificate_revoked', count: 1 }])
  write(authority.revocations([]))
  list.look()
  await eventually(() => open.size === 2)
  t.pass('taken off the list, it is let in again')
})

t.test('a server whose certificate is taken back is not spoken to', async (t) => {
  const { file, write } = listFile(t)
  const list = new RevocationList(file)
  const { port, open } = await listen(t, new RevocationList(file))
  const client = connect(t, port, guard, list)
  await eventually(() => open.size === 1 && client.isOpen)
  write(authority.revocations([vault]))
  list.look()
  t.notOk(client.isOpen)
  await eventually(() => open.size === 0)
})

t.test('an expired certificate is refused by its own name, and recorded with the address it came from', async (t) => {
  const { file } = listFile(t)
  const { port, recorded } = await listen(t, new RevocationList(file))
  connect(t, port, leaf('guard', -60_000))
  await eventually(() => recorded.length > 0)
  t.match(recorded, [{ code: 'certificate_expired', address: /127\.0\.0\.1/, count: 1 }])
})

t.test('a list whose own time is over lets nobody in', async (t) => {
  const { file, write } = listFile(t)
  write(authority.revocations([], { endsInMs: -60_000 }))
  const { port, refused } = await listen(t, new RevocationList(file))
  connect(t, port, guard)
  await eventually(() => refused.includes('tls_refused'))
})

t.test('a new file that is no list leaves the old one, and the log says so once', (t) => {
  const { file, write } = listFile(t)
  write(authority.revocations([guard]))
  const lines: string[] = []
  const list = new RevocationList(file)
  list.follow(createLogger({ role: 'vault', level: 'warn', stream: { write: (line) => lines.push(line) } }))
  write('nonsense')
  list.look()
  list.look()
  t.equal(list.isRevoked(serialOf(guard)), true)
  t.equal(list.isRevoked(serialOf(otherGuard)), false)
  t.equal(lines.length, 1)
  t.match(lines[0], 'revocations_unreadable')
  write(unsigned(authority.revocations([otherGuard])))
  list.look()
  t.equal(list.isRevoked(serialOf(otherGuard)), false, 'nor does one that names certificates and has no signature')
  t.equal(lines.length, 2)
  list.close()
  list.close()
  t.throws(() => new RevocationList(file), TypeError)
  t.throws(() => new RevocationList(`${file}.none`), { code: 'ENOENT' })
  t.equal(plainSerial('00AB'), 'ab')
  t.end()
})
