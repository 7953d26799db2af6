import t from 'tap'
import { PostgresServer } from '../../fakes/postgres-server.ts'
import { usePostgres } from './test-store.ts'

/** What holds of keys on a vault's own file holds on PostgreSQL too: the same tests, once more, on a real server. */
/** Some thousand round trips to a server, which a busy machine makes slow. */
t.setTimeout(180_000)
const server = await PostgresServer.start()
t.teardown(() => server.close())
usePostgres(server)

await import('./key-keeper.test.ts')
await import('./vault-orders.test.ts')
await import('./reencryption.test.ts')
await import('./fingerprint-rotation.test.ts')
