import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { makeDevelopmentAuthority } from '../../../certs/development-authority.ts'
import { VaultClient } from '../../../src/cde/vault-client.ts'
import { readIdentity } from '../../../src/kit/identity.ts'
import { Acquirer, declines, json, type AcquirerAnswer } from '../../fakes/acquirer.ts'
import {
  memoryNeedlesOf,
  needlesOf,
  searchBytes,
  searchFolder,
  searchMemory,
  type Needle,
} from '../../fakes/canary-search.ts'
import { eventually } from '../../fakes/eventually.ts'
import { PostgresServer } from '../../fakes/postgres-server.ts'
import { testCard } from '../../fakes/test-card.ts'
import { newDatabase } from './postgres-database.ts'
import type { SearchedVault } from './searched-child.ts'

/** Searching a database server and a vault takes its time on a busy machine. */
t.setTimeout(240_000)

const CANARY = { pan: '4263982640269299', expiry: '0931' }
/** One for each charge. A run of four digits alone meets by chance; that most of these do, where they should not be, does not. */
const CODES = ['9274', '8351', '7962', '6483', '5917', '4829', '3748', '2596'] as const
type Code = (typeof CODES)[number]
/** The process has that long to overwrite what its TLS has read: the client's rinse is on its way behind the request. */
const CLEAN_WITHIN_MS = 2_000
/** The vault looks for codes whose time is over each five seconds. */
const SWEPT_WITHIN_MS = 60_000
const LOOK_EVERY_MS = 500
const REPLY_MS_MAX = 120_000

/** A code as it crosses the vault, each time with what stands before it: in a body, in an order, in the chunk of malloc that holds it alone. */
function codeNeedles(code: string): readonly Needle[] {
  const values = Array.from(code, Number)
  const named = (form: string, bytes: Uint8Array): Needle => ({ name: `${form} ${code}`, bytes: Buffer.from(bytes) })
  return [
    named('in a body', Uint8Array.from([4, ...Array.from(CANARY.expiry, Number), 4, ...values])),
    named('in JSON', Buffer.from(`"code":"${code}"`)),
    ...MALLOC_SIZES.map((size) => named('alone', Uint8Array.from([size, 0, 0, 0, 0, 0, 0, 0, ...values]))),
  ]
}

/** glibc, before a chunk: 32 bytes or, where the rest is too small for another, 48; the one before it in use. */
const MALLOC_SIZES = [0x21, 0x31] as const

/** A code alone, in the forms that a database and its log give to what they are handed. */
const BARE_FORMS: Readonly<Record<string, (code: string) => Buffer>> = {
  values: (code) => Buffer.from(Array.from(code, Number)),
  characters: (code) => Buffer.from(code),
  'UTF-16': (code) => Buffer.from(code, 'utf16le'),
  'hexadecimal values': (code) => Buffer.from(Buffer.from(Array.from(code, Number)).toString('hex')),
  'hexadecimal characters': (code) => Buffer.from(Buffer.from(code).toString('hex')),
}
const bareNeedles: readonly Needle[] = Object.entries(BARE_FORMS).flatMap(([form, bytes]) =>
  CODES.map((code) => ({ name: `${form} of ${code}`, bytes: bytes(code) })),
)
const panNeedles = memoryNeedlesOf(CANARY.pan)
const plainNeedles: readonly Needle[] = [...panNeedles, ...CODES.flatMap(codeNeedles)]
const storedNeedles: readonly Needle[] = [...needlesOf(CANARY.pan), ...CODES.flatMap(codeNeedles), ...bareNeedles]

/** The forms in which more than half of the codes were found, and whatever else was. */
function withoutChance(found: readonly string[]): readonly string[] {
  const bare = new Set(bareNeedles.map(({ name }) => name))
  const forms = Object.keys(BARE_FORMS).filter(
    (form) =>
      [...new Set(found)].filter((name) => bare.has(name) && name.startsWith(`${form} of`)).length > CODES.length / 2,
  )
  return [...forms, ...found.filter((name) => !bare.has(name))]
}

/** What stands in the memory of the vault: looked at again until it is what is expected, or the time is over. */
async function inMemory(
  pid: number,
  needles: readonly Needle[],
  {
    expected = [],
    withinMs = CLEAN_WITHIN_MS,
  }: { readonly expected?: readonly string[]; readonly withinMs?: number } = {},
): Promise<readonly string[]> {
  const untilMs = performance.now() + withinMs
  for (;;) {
    const isLast = performance.now() > untilMs
    const found = searchMemory(pid, needles).toSorted()
    if (isLast || found.join() === expected.join()) return found
    await delay(LOOK_EVERY_MS)
  }
}

/** A session may end before it is looked into; then there is no memory of it any more. */
function searchSession(pid: number, needles: readonly Needle[]): readonly string[] {
  try {
    return searchMemory(pid, needles)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ESRCH') return []
    throw error
  }
}

/** What is found where the vault keeps its data, and where that is passed on. */
type InStore = (needles: readonly Needle[]) => Promise<readonly string[]>

/** A vault in a process of its own, and the guard and the acquirer that it works with. */
async function searchedVault(t: Test, postgresql: SearchedVault['postgresql']) {
  const folder = t.testdir()
  const certificates = join(folder, 'certs')
  makeDevelopmentAuthority(certificates)
  const acquirer = await Acquirer.start()
  const dataDir = join(folder, 'data')
  const { url, authority } = acquirer
  const given: SearchedVault = {
    dataDir,
    certificates,
    acquirer: { url, authority: authority.toString() },
    postgresql,
  }
  // Without the runner's own options, which it hands down in the environment.
  const child = spawn(process.execPath, [join(import.meta.dirname, 'searched-child.ts'), JSON.stringify(given)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {},
  })
  const ended = once(child, 'close')
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  await eventually(() => lines.length > 0 || child.exitCode !== null, 60_000)
  const identity = readIdentity({ folder: certificates, role: 'guard' })
  const guard = new VaultClient({ host: '127.0.0.1', port: Number(lines.shift()), identity })
  t.teardown(async () => {
    guard.close()
    child.kill('SIGKILL')
    await ended
    await acquirer.close()
  })
  return {
    pid: child.pid ?? 0,
    dataDir,
    acquirer,
    later: () => child.stdin.write('later\n'),
    /** Gives the card with one of the codes; resolves with the seal that the vault keeps of it, as it lies in memory. */
    give: async (code: Code) => {
      const request = { merchant: 'shop', windowId: 'w1', idempotencyKey: `window-${CODES.indexOf(code)}-card` }
      const answer = await guard.tokenize(request, testCard({ ...CANARY, cardCode: code }), {
        deadlineMs: REPLY_MS_MAX,
      })
      await eventually(() => lines.length > 0, 60_000)
      const [nonce = '', tag = '', ciphertext = ''] = (lines.shift() ?? '').split(' ')
      const sealed: Needle = { name: `sealed ${code}`, bytes: Buffer.from(`01${nonce}${tag}${ciphertext}`, 'hex') }
      return { token: answer.type === 'tokenized' ? answer.token : '', sealed }
    },
    charge: (token: string, code: Code) => {
      const request = { merchant: 'shop', windowId: 'w1', idempotencyKey: `charge-${CODES.indexOf(code)}-of-window` }
      return guard.authorize({ ...request, token, amountMinor: 1_250, currency: 'EUR' }, { deadlineMs: REPLY_MS_MAX })
    },
  }
}

/** Two charges are searched beside, while they are under way and behind them; the codes of the others are for the last search of the store. */
async function takesCodes(t: Test, vault: Awaited<ReturnType<typeof searchedVault>>, inStore: InStore): Promise<void> {
  const { pid, acquirer } = vault
  const seals: Needle[] = []
  for (const [index, code] of CODES.slice(0, -1).entries()) {
    const { token, sealed } = await vault.give(code)
    seals.push(sealed)
    const answer: AcquirerAnswer =
      index % 2 === 1 ? declines : (_order, response) => json(response, { outcome: 'approved', approvalCode: 'A1B2C3' })
    const outcome = { type: index % 2 === 1 ? 'declined' : 'approved' }
    if (index > 1) {
      acquirer.answer = answer
      t.match(await vault.charge(token, code), outcome)
      continue
    }
    const expected = [sealed.name]
    const found = await inMemory(pid, [...plainNeedles, ...seals], { expected })
    t.same(found, expected, 'of a code that is kept its seal is found, and nothing plain')
    const asked = new Promise<Parameters<AcquirerAnswer>>((resolve) => {
      acquirer.answer = (order, response) => resolve([order, response])
    })
    const reply = vault.charge(token, code)
    const [order, response] = await asked
    t.ok(order.body.includes(`"code":"${code}"`), 'the acquirer gets the code')
    const held = searchMemory(pid, codeNeedles(code))
    t.ok(held.includes(`in JSON ${code}`), 'while the acquirer thinks, the vault holds it, and the search finds it')
    t.same(await inStore([...plainNeedles, sealed]), [], 'and its store does not')
    answer(order, response)
    t.match(await reply, outcome)
    t.same(await inMemory(pid, [...plainNeedles, ...seals]), [], `nothing is left once it is ${outcome.type}`)
  }
  t.same(
    withoutChance(await inStore([...storedNeedles, ...seals])),
    [],
    'the store never had any of them, plain or sealed',
  )
}

/** One more, which is not used. */
async function forgetsInTime(
  t: Test,
  vault: Awaited<ReturnType<typeof searchedVault>>,
  inStore: InStore,
): Promise<void> {
  const { sealed } = await vault.give(CODES[7])
  vault.later()
  const left = await inMemory(vault.pid, [...plainNeedles, sealed], { withinMs: SWEPT_WITHIN_MS })
  t.same(left, [], 'nothing is left of a code that is not used, once its time is over')
  t.same(await inStore([...plainNeedles, sealed]), [], 'nor was it ever in the store')
}

t.test('the search finds the canary in a process that holds it', (t) => {
  t.same(searchMemory(process.pid, plainNeedles).length, new Set(plainNeedles.map(({ name }) => name)).size)
  t.end()
})

t.test('no number and no code is left in the memory of a vault, or in its file', async (t) => {
  const vault = await searchedVault(t, null)
  const inFiles: InStore = (needles) =>
    Promise.resolve(searchFolder(vault.dataDir, needles).flatMap(({ found }) => found))
  await takesCodes(t, vault, inFiles)
})

t.test('nor in that of a vault on PostgreSQL, its server, its files and its log', async (t) => {
  // Every statement is logged with what it is handed, as nobody should have it.
  const server = await PostgresServer.start([
    'shared_buffers=8MB',
    'log_statement=all',
    'log_parameter_max_length=-1',
    'log_parameter_max_length_on_error=-1',
  ])
  t.teardown(() => server.close())
  const database = await newDatabase(server)
  const inFiles = async (needles: readonly Needle[]): Promise<readonly string[]> => {
    // In the log of writes alone, what lies across the edge of a page has that page's head in it.
    await server.sql('CHECKPOINT')
    return searchFolder(server.folder, needles).flatMap(({ found }) => found)
  }
  const inProcesses = (needles: readonly Needle[]) => server.processes().flatMap((pid) => searchSession(pid, needles))
  const inServer: InStore = async (needles) => [
    ...inProcesses(needles),
    ...(await inFiles(needles)),
    ...searchBytes(Buffer.from(server.log), needles),
  ]
  const vault = await searchedVault(t, database)
  await forgetsInTime(t, vault, inServer)
  await takesCodes(t, vault, inServer)
  t.match(server.log, /INSERT INTO audit[^]*parameters: /i, 'what the vault handed over is in the log')

  const rows = storedNeedles.map(({ bytes }) => `('\\x${bytes.toString('hex')}'::bytea)`).join()
  await server.sql(`CREATE TABLE planted AS SELECT * FROM (VALUES ${rows}) AS planted`, database.database)
  const withoutThose = (found: readonly string[]) => storedNeedles.filter(({ name }) => !found.includes(name))
  t.same(withoutThose(inProcesses(storedNeedles)), [], 'what is planted is found in its processes')
  t.same(withoutThose(await inFiles(storedNeedles)), [], 'and in its files')
})
