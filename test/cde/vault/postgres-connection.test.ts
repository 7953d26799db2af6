import t from 'tap'
import {
  PostgresConnection,
  postgresFailure,
  type PostgresOptions,
} from '../../../src/cde/vault/postgres-connection.ts'
import { StoreFailure } from '../../../src/cde/vault/store.ts'
import { eventually } from '../../fakes/eventually.ts'
import { freePort } from '../../fakes/free-port.ts'
import { PostgresServer } from '../../fakes/postgres-server.ts'
import { SipAuthority } from '../../fakes/sip-certificates.ts'
import { newDatabase } from './postgres-database.ts'

const server = await PostgresServer.start()
t.teardown(() => server.close())
const local = await newDatabase(server)
const HERE = { host: '127.0.0.1', port: server.port }

/** What becomes of a connection: 'open', or the code of the refusal. */
async function outcome(options: PostgresOptions): Promise<string> {
  const connection = new PostgresConnection(options)
  try {
    await connection.session()
    return 'open'
  } catch (error) {
    return error instanceof StoreFailure ? error.code : 'something else'
  } finally {
    await connection.close()
  }
}

t.test('a statement that takes too long, or a lock, ends by itself, and a lost connection comes back', async (t) => {
  const connection = new PostgresConnection(local)
  const session = await connection.session()
  t.equal(await connection.session(), session)
  await t.rejects(session.query({ text: 'SELECT pg_sleep(10)' }), { code: 'PG_57014' })
  const other = new PostgresConnection(local)
  const holder = await other.session()
  await holder.queries({ text: 'BEGIN; SELECT pg_advisory_xact_lock(1)' })
  await t.rejects(session.query({ text: 'SELECT pg_advisory_lock(1)' }), { code: 'PG_55P03' })
  await other.close()
  await t.rejects(
    session.within(100, () => session.query({ text: 'SELECT pg_sleep(10)' })),
    { code: 'DEADLINE' },
  )
  await t.rejects(session.query({ text: 'SELECT 1' }), { code: 'PG_CONNECTION' })
  const next = await connection.session()
  t.not(next, session)
  const dying = next.query({ text: 'SELECT pg_terminate_backend(pg_backend_pid())' })
  await t.rejects(dying, { name: 'StoreFailure' })
  await eventually(async () => {
    const session = await connection.session()
    const answer = await session.query({ text: 'SELECT 1 AS one' }).catch(() => null)
    return answer?.rows[0]?.['one'] === 1
  })
  await connection.close()
  await connection.close()
  await t.rejects(connection.session(), { code: 'CLOSED' })
})

t.test('a server that would forget, that takes no writes, or that is not there, is passed over', async (t) => {
  t.equal(await outcome({ ...local, servers: [{ host: '127.0.0.1', port: await freePort() }] }), 'ECONNREFUSED')
  t.equal(
    await outcome({ ...local, servers: [{ host: '127.0.0.1', port: await freePort() }, ...local.servers] }),
    'open',
  )
  await server.sql(`ALTER DATABASE ${local.database} SET default_transaction_read_only = on`)
  t.equal(await outcome(local), 'PG_READ_ONLY')
  await server.sql(`ALTER DATABASE ${local.database} RESET default_transaction_read_only`)
  await server.sql(`ALTER ROLE vault SET synchronous_commit = off`)
  t.equal(await outcome(local), 'open', 'ours stands above what the role is given')
  const careless = await PostgresServer.start(['fsync=off'])
  t.teardown(() => careless.close())
  const servers = [{ host: careless.folder, port: careless.port }]
  t.equal(await outcome({ ...local, servers, database: 'postgres', user: 'postgres' }), 'PG_FSYNC_OFF')
})

t.test('under TLS the server proves its name by our authority, and the vault proves itself to it', async (t) => {
  const password = (): string => 'vault'
  t.equal(await outcome({ ...local, servers: [HERE], password }), 'open')
  t.equal(await outcome({ ...local, servers: [HERE], password: () => 'wrong' }), 'PG_28P01')
  t.equal(await outcome({ ...local, servers: [HERE], password: null }), 'PASSWORD_MISSING')
  const [ours, theirs] = [new SipAuthority(), new SipAuthority()]
  const tls = { authority: ours.certificate, ...ours.leaf({ dns: ['vault'] }) }
  t.equal(await outcome({ ...local, servers: [HERE], password, tls }), 'PG_CONNECTION', 'it speaks no TLS yet')
  await server.demandTls({ ...ours.leaf({ ip: ['127.0.0.1'] }), authority: ours.certificate })
  t.equal(await outcome({ ...local, servers: [HERE], password, tls }), 'open')
  t.equal(await outcome({ ...local, servers: [HERE], password, tls: null }), 'PG_28000', 'it takes nothing in clear')
  const bare = { authority: ours.certificate, certificate: null, key: null }
  t.not(await outcome({ ...local, servers: [HERE], password, tls: bare }), 'open', 'it asks for a certificate')
  const stranger = { ...tls, authority: theirs.certificate }
  t.match(await outcome({ ...local, servers: [HERE], password, tls: stranger }), /SELF_SIGNED|UNABLE|LOCALLY/)
  await server.demandTls({ ...ours.leaf({ dns: ['elsewhere'] }), authority: ours.certificate })
  t.equal(await outcome({ ...local, servers: [HERE], password, tls }), 'ERR_TLS_CERT_ALTNAME_INVALID')
})

t.test('a failure is named by a code, and its text is never passed on', (t) => {
  const foreign = (code: unknown): unknown => Object.assign(new Error('Key (token)=(4263982640269299)'), { code })
  t.equal(postgresFailure(foreign('23505')).code, 'PG_23505')
  t.equal(postgresFailure(foreign('ECONNRESET')).code, 'ECONNRESET')
  t.equal(postgresFailure(foreign('no code; 4263982640269299')).code, 'PG_CONNECTION')
  t.equal(postgresFailure('text').code, 'PG_CONNECTION')
  t.notMatch(postgresFailure(foreign('23505')).message, /\d/)
  t.end()
})
