import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeDevelopmentAuthority } from '../../../certs/development-authority.ts'
import { VaultClient } from '../../../src/cde/vault-client.ts'
import { readIdentity } from '../../../src/kit/identity.ts'
import { Acquirer, declines } from '../../fakes/acquirer.ts'
import { testCard } from '../../fakes/test-card.ts'

const CANARY = { pan: '4719385062841738', cardCode: '9274' }
const RUN = 6
const CLEAN_WITHIN_MS = 2_000
const CHUNK_BYTES = 65_536
/** Longer than any needle, so that none falls between two chunks. */
const OVERLAP_BYTES = 64

const runs = [0, 5, 10].map((start) => CANARY.pan.slice(start, start + RUN))
const needles: readonly (readonly [string, Buffer])[] = [
  ...runs.flatMap((run, index): [string, Buffer][] => [
    [`characters ${index}`, Buffer.from(run)],
    [`values ${index}`, Buffer.from(Array.from(run, Number))],
    [`UTF-16 ${index}`, Buffer.from(run, 'utf16le')],
  ]),
  ['code in JSON', Buffer.from(`"${CANARY.cardCode}"`)],
  // Its length stands before it in a body; four small values alone can meet by chance in as much memory.
  ['code in a body', Buffer.from([4, ...Array.from(CANARY.cardCode, Number)])],
]

/** Every needle that stands in the writable memory of a process, by name. */
function searchMemory(pid: number): string[] {
  const found = new Set<string>()
  const zeros = Buffer.alloc(CHUNK_BYTES + OVERLAP_BYTES)
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
    if (from === undefined || to === undefined) continue
    const end = parseInt(to, 16)
    for (let at = parseInt(from, 16); at < end; at += CHUNK_BYTES) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BYTES + OVERLAP_BYTES, end - at))
      const bytes = readAt(memory, chunk, at)
      if (chunk.equals(zeros.subarray(0, chunk.length))) continue
      const read = chunk.subarray(0, bytes)
      for (const [name, needle] of needles) if (read.includes(needle)) found.add(name)
    }
  }
  closeSync(memory)
  return [...found]
}

/** As above, after the process had time to overwrite what its TLS has read: the client's rinse is on its way behind the request. */
async function leftInMemory(pid: number): Promise<string[]> {
  const found = searchMemory(pid)
  if (found.length === 0) return found
  await new Promise((resolve) => setTimeout(resolve, CLEAN_WITHIN_MS))
  return searchMemory(pid)
}

/** Zero for a range that the kernel does not show, such as its own. */
function readAt(descriptor: number, chunk: Buffer, position: number): number {
  try {
    return readSync(descriptor, chunk, 0, chunk.length, position)
  } catch {
    return 0
  }
}

t.test('the search finds the canary in a process that holds it', (t) => {
  t.ok(searchMemory(process.pid).length >= needles.length)
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
