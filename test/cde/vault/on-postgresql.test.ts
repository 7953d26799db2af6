import t from 'tap'
import { PostgresServer } from '../../fakes/postgres-server.ts'
import { usePostgres } from './test-store.ts'

/** What holds of a vault on its own file holds on PostgreSQL too: the same tests, once more, on a real server. */
/** Some thousand round trips to a server, which a busy machine makes slow. */
t.setTimeout(180_000)
const server = await PostgresServer.start()
t.teardown(() => server.close())
usePostgres(server)

await import('./store.test.ts')
await import('./key-ring.test.ts')
await import('./audit-tail.test.ts')
await import('./audit-archive.test.ts')
await import('./tokenization.test.ts')
await import('./token-life.test.ts')
await import('./charges.test.ts')
await import('./vault-service.test.ts')
await import('./vault.test.ts')
