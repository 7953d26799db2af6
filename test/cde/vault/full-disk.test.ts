import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { verifyFiles } from '../../../src/audit-verify.mjs'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { openVault } from '../../../src/cde/vault/vault.ts'
import { eventually } from '../../fakes/eventually.ts'
import { testCard } from '../../fakes/test-card.ts'
import { composeCardBody } from '../../../src/cde/card-body.ts'
import { GUARD } from './open-test-vault.ts'

const DISK = 'size=6m,mode=700'
const BLOCK_BYTES = 4_096
const report = {
  type: 'report',
  event: 'window_opened',
  cause: 'capture',
  merchant: 'shop',
  windowId: 'abcdefghijklmnop',
  instance: 'guard-1',
  occurredMs: Date.UTC(2026, 10, 22),
} as const

/** A file system of a few megabytes in memory; null where this user, or this machine, may not mount one. */
function smallDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-small-disk-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', DISK, 'tmpfs', folder]).status === 0) return folder
  rmSync(folder, { recursive: true })
  return null
}

const disk = smallDisk()
t.teardown(() => {
  if (disk === null) return
  spawnSync('umount', ['--lazy', disk])
  rmSync(disk, { recursive: true, force: true })
})

/** Writes until there is no room for a page. */
function fillUp(folder: string): string {
  const file = join(folder, 'filling')
  const descriptor = openSync(file, 'w')
  try {
    for (;;) writeSync(descriptor, Buffer.alloc(BLOCK_BYTES, 1))
  } catch {
    return file
  } finally {
    closeSync(descriptor)
  }
}

t.test(
  'with a disk that is full no window opens and no token is given, and afterwards nothing is missing',
  async (t) => {
    if (disk === null) {
      t.pass('NOT SHOWN HERE, since nobody may mount a small disk')
      return
    }
    const folder = join(disk, 'vault')
    mkdirSync(folder)
    const vault = await openVault({
      dataDir: folder,
      merchants: [{ name: 'shop' }],
      logger: createLogger({ role: 'vault', level: 'silent' }),
      metrics: new Metrics('vault'),
      audit: { folder: join(folder, 'audit'), syslog: null, timeServer: null, backlogMax: 5 },
    })
    const ask = (windowId: string) => vault.service.handle({ ...report, windowId }, Buffer.alloc(0), GUARD)
    const tokenize = (idempotencyKey: string) =>
      vault.service.handle(
        { type: 'tokenize', merchant: 'shop', windowId: 'w', idempotencyKey },
        composeCardBody(testCard()),
        GUARD,
      )
    t.same(await ask('beforethediskfull'), { type: 'recorded' })
    const filling = fillUp(disk)
    t.equal(statfsSync(disk).bavail, 0, 'the disk is full')
    // The log of the database has some room of its own left.
    await eventually(async () => (await ask('whilethediskisful')).type === 'refused', 20_000)
    t.match(await ask('whilethediskisful'), { type: 'refused', code: /^(store_failed|audit_backlog)$/ })
    await eventually(async () => (await tokenize('while-it-is-full')).type === 'refused', 20_000)
    rmSync(filling)
    await eventually(async () => (await ask('afterthediskisful')).type === 'recorded', 20_000)
    t.match(await tokenize('after-it-was-full'), { type: 'tokenized' })
    const { sequence } = await vault.store.auditHead()
    await vault.close()
    const day = new Date().toISOString().slice(0, 10)
    const verdict = await verifyFiles({ files: [join(folder, 'audit', `audit-${day}.jsonl`)], live: true })
    t.match(verdict, { kind: 'intact' })
    t.ok(verdict.kind === 'intact' && verdict.head.sequence >= sequence, 'every record has been shipped')
  },
)
