import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { makeDevelopmentAuthority } from '../../../certs/development-authority.ts'
import { VaultClient } from '../../../src/cde/vault-client.ts'
import { readIdentity } from '../../../src/kit/identity.ts'
import { Acquirer, declines } from '../../fakes/acquirer.ts'
import { memoryNeedlesOf, searchMemory, type Needle } from '../../fakes/canary-search.ts'
import { testCard } from '../../fakes/test-card.ts'

const CANARY = { pan: '4263982640269299', cardCode: '9274' }
const CLEAN_WITHIN_MS = 2_000

const needles: readonly Needle[] = [
  ...memoryNeedlesOf(CANARY.pan),
  { name: 'code in JSON', bytes: Buffer.from(`"${CANARY.cardCode}"`) },
  // Its length stands before it in a body; four small values alone can meet by chance in as much memory.
  { name: 'code in a body', bytes: Buffer.from([4, ...Array.from(CANARY.cardCode, Number)]) },
]

/** What is left once the process had time to overwrite what its TLS has read: the client's rinse is on its way behind the request. */
async function leftInMemory(pid: number): Promise<readonly string[]> {
  const found = searchMemory(pid, needles)
  if (found.length === 0) return found
  await new Promise((resolve) => setTimeout(resolve, CLEAN_WITHIN_MS))
  return searchMemory(pid, needles)
}

t.test('the search finds the canary in a process that holds it', (t) => {
  t.ok(searchMemory(process.pid, needles).length >= needles.length)
  t.end()
})

t.test('neither number nor code is left in the memory of a vault that has tokenized and authorized', async (t) => {
  const folder = t.testdir()
  const certificates = join(folder, 'certs')
  makeDevelopmentAuthority(certificates)
  const acquirer = await Acquirer.start()
  const child = spawn(
    process.execPath,
    [
      join(import.meta.dirname, 'searched-child.ts'),
      join(folder, 'data'),
      certificates,
      acquirer.url,
      acquirer.authority.toString(),
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const pid = child.pid ?? 0
  const [port] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const identity = readIdentity({ folder: certificates, role: 'guard' })
  const guard = new VaultClient({ host: '127.0.0.1', port: Number(port), identity })

  const request = { merchant: 'shop', windowId: 'w1', idempotencyKey: 'window-1-card' }
  const answer = await guard.tokenize(request, testCard(CANARY), { deadlineMs: 5_000 })
  const token = answer.type === 'tokenized' ? answer.token : ''
  t.same(await leftInMemory(pid), [], 'after tokenize')

  const charge = { ...request, token, amountMinor: 1_250, currency: 'EUR' }
  t.match(await guard.authorize({ ...charge, idempotencyKey: 'charge-0001' }, { deadlineMs: 5_000 }), {
    type: 'approved',
  })
  t.ok(acquirer.orders[0]?.body.includes(`"code":"${CANARY.cardCode}"`))
  t.same(await leftInMemory(pid), [], 'after an approval')

  acquirer.answer = declines
  await guard.tokenize({ ...request, idempotencyKey: 'window-2-card' }, testCard(CANARY), { deadlineMs: 5_000 })
  t.match(await guard.authorize({ ...charge, idempotencyKey: 'charge-0002' }, { deadlineMs: 5_000 }), {
    type: 'declined',
  })
  t.ok(acquirer.orders[1]?.body.includes(`"code":"${CANARY.cardCode}"`))
  t.same(await leftInMemory(pid), [], 'after a decline')

  guard.close()
  child.stdin.end()
  await once(child, 'close')
  await acquirer.close()
})
