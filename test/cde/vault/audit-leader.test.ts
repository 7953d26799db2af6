import { join } from 'node:path'
import t from 'tap'
import { AuditShipper, type AuditSink } from '../../../src/cde/vault/audit-shipper.ts'
import type { AuditEntry, AuditRecord } from '../../../src/cde/vault/audit-chain.ts'
import { AuditCheckpoints } from '../../../src/cde/vault/audit-checkpoints.ts'
import { openSigningKey } from '../../../src/cde/vault/audit-checkpoint.ts'
import { openPostgresStore } from '../../../src/cde/vault/store-postgres.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { eventually } from '../../fakes/eventually.ts'
import { PostgresServer } from '../../fakes/postgres-server.ts'
import { newDatabase } from './postgres-database.ts'

t.setTimeout(90_000)

const ENTRY: AuditEntry = {
  role: 'guard',
  action: 'tokenize',
  outcome: 'done',
  origin: 'guard.test',
  merchant: 'shop',
  resource: 'tok',
  windowId: 'w',
}
const WAIT_MS = 20_000

t.test(
  'of two vaults on one database one signs and ships, and the other takes over where it was',
  { timeout: 80_000 },
  async (t) => {
    const server = await PostgresServer.start()
    t.teardown(() => server.close())
    const database = await newDatabase(server)
    const logger = createLogger({ role: 'vault', level: 'silent' })
    const signer = openSigningKey({ file: join(t.testdir(), 'key'), mayMake: true, logger })
    const vault = async (name: string) => {
      const store = await openPostgresStore({ ...database, nowMs: Date.now })
      const shipped: number[] = []
      const sink: AuditSink = {
        name: 'syslog',
        begin: (kept) => Promise.resolve(kept),
        write: (records: readonly AuditRecord[]) => {
          shipped.push(...records.map(({ sequence }) => sequence))
          return Promise.resolve()
        },
        close: () => Promise.resolve(),
      }
      const shipper = new AuditShipper({ store, sink, lag: () => undefined, logger, lookEveryMs: 10, againMs: 20 })
      const file = join(t.testdirName, name)
      const checkpoints = new AuditCheckpoints({ store, signer, file, nowMs: Date.now, logger, lookEveryMs: 60_000 })
      return { store, shipper, shipped, checkpoints }
    }
    const one = await vault('one')
    t.equal(await one.store.leads(), true)
    const other = await vault('other')
    t.equal(await other.store.leads(), false)
    await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : other).store.append(ENTRY)))
    await eventually(() => one.shipped.length === 20 && other.shipper.shippedTo === 20, WAIT_MS)
    await other.checkpoints.sign()
    t.equal((await one.store.auditHead()).sequence, 20, 'who does not lead signs nothing')
    await one.checkpoints.sign()
    t.equal((await one.store.auditHead()).sequence, 21)
    await eventually(() => one.shipped.length === 21 && other.shipper.backlog === 0, WAIT_MS)
    t.same(other.shipped, [])

    // A vault that dies takes its connections with it: the database then gives the lock to whoever asks.
    await one.shipper.close()
    await one.checkpoints.close()
    await one.store.close()
    await other.store.append(ENTRY)
    await eventually(() => other.shipped.includes(22), WAIT_MS)
    t.same(other.shipped, [22], 'what was shipped is not shipped again')
    t.equal(await other.store.leads(), true)

    await server.kill()
    await server.restart()
    const appended = () =>
      other.store.append(ENTRY).then(
        () => true,
        () => false,
      )
    await eventually(appended, WAIT_MS)
    await eventually(() => other.shipped.includes(23), WAIT_MS)
    await other.shipper.close()
    await other.checkpoints.close()
    await other.store.close()
  },
)
