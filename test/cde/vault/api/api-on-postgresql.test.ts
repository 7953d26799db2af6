import t from 'tap'
import { PostgresServer } from '../../../fakes/postgres-server.ts'
import { usePostgres } from '../test-store.ts'

/** What holds of the API over a file holds over PostgreSQL too: the same tests, once more, on a real server. */
const server = await PostgresServer.start()
t.teardown(() => server.close())
usePostgres(server)

await import('./api-service.test.ts')
await import('./bulk.test.ts')
