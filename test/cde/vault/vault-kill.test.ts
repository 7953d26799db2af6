import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { verifyAudit } from '../../../src/cde/vault/audit-chain.ts'
import { auditRecords } from '../../../src/cde/vault/audit-tail.ts'
import { openCard } from '../../../src/cde/vault/sealed-card.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'
import { digits, numberedPan, testCard } from '../../fakes/test-card.ts'
import { openTestVault, tokenOf } from './open-test-vault.ts'

const ROUNDS = 6
/** Cards of one round have indexes of their own. */
const CARDS_IN_ROUND = 1_000_000

/** Runs the child until `killAfter` tokens were acknowledged, kills it with SIGKILL, and returns what it acknowledged. */
async function killedAfter(folder: string, firstIndex: number, killAfter: number): Promise<Map<number, string>> {
  const program = join(import.meta.dirname, 'tokenizing-child.ts')
  const child = spawn(process.execPath, [program, folder, String(firstIndex)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  let lines = 0
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    lines += chunk.split('\n').length - 1
    if (lines >= killAfter) child.kill('SIGKILL')
  })
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (signal !== 'SIGKILL') throw new Error('the child ended by itself')
  const whole = text.slice(0, text.lastIndexOf('\n'))
  return new Map(whole.split('\n').map((line) => [Number(line.split(' ')[0]), line.split(' ')[1] ?? '']))
}

t.test('every acknowledged token survives kill -9, and the same card keeps it', async (t) => {
  const folder = t.testdir()
  const random = seededRandom(Date.now())
  const acknowledged = new Map<number, string>()
  for (let round = 0; round < ROUNDS; round += 1) {
    const tokens = await killedAfter(folder, round * CARDS_IN_ROUND, 1 + random.below(round === 0 ? 2 : 400))
    for (const [index, token] of tokens) acknowledged.set(index, token)
  }
  t.ok(acknowledged.size > ROUNDS)

  const vault = await openTestVault(folder)
  for (const [index, token] of acknowledged) {
    const row = await vault.store.card({ merchant: 'shop', token })
    if (row === null) {
      t.fail('an acknowledged token is gone')
      continue
    }
    const { keyId, key } = await vault.keyRing.keyById(row.keyId)
    const card = openCard(row.sealed, key, { keyId, merchant: 'shop', token })
    if (card?.pan.join('') !== numberedPan(index)) t.fail('a token opens to another card')
    const again = { ...testCard(), pan: digits(numberedPan(index)) }
    if (tokenOf(await vault.tokenize(again)) !== token) t.fail('the same card got another token')
    if (tokenOf(await vault.tokenize(again, { idempotencyKey: `request-${index}` })) !== token)
      t.fail('the answer changed')
  }
  t.match(await verifyAudit(auditRecords(vault.store)), { kind: 'intact' })
  t.comment(`${acknowledged.size} tokens acknowledged in ${ROUNDS} lives`)
  await vault.close()
})
