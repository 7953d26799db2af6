import { runArms, figureOf, type Arm, type ArmRounds, type Measurement } from './harness/arms.ts'
import { describeMachine, type BenchResult } from './harness/results.ts'
import { median, ratioOfRounds, type RatioEstimate } from './harness/statistics.ts'
import { LoadProcess } from './load/load-process.ts'
import { openBenchStore, type BenchStore, type StoreName } from './vault/bench-store.ts'
import { bareSyncsPerSecond } from './vault/fdatasync-floor.ts'
import type { FromClients, FromVault, ToClients, ToVault } from './vault/vault-protocol.ts'

const STORES: readonly StoreName[] = ['SQLite', 'PostgreSQL']
const CLIENTS = [1, 4, 16, 64]
const CLIENTS_MOST = 64
const TOKENS_IN_TABLE = 10_000_000
const ARM_MS = 4_000
/** Before each arm and after it: the disk of a shared machine changes by the second. */
const FLOOR_MS = 700
/** A page: the least that either database writes for a token. */
const APPEND_BYTES = 4_096
/** What the rows of one token take, keys and indexes left out: for a bare loop that commits as many tokens at once as there are clients. */
const TOKEN_BYTES = 512
const START_MS_MAX = 60_000
const SEED = 5
const RATIO_GOAL = 0.9

/** With 64 clients on SQLite, one setting after the other, two rounds of each, beside other work. */
const TRIED: readonly string[] = [
  'Tried for SQLite, none better than the usual settings beyond the noise: a page cache of 64, 256 and 512 MiB, the file mapped into memory, the log moved into the file every 4,000, 8,000 and 100,000 pages, deleting without overwriting. A token writes 35 to 45 kB there (five pages of the log, and as many again when it is moved into the file) and took 230 to 380 microseconds of the vault.',
  'Where this was measured the kernel takes pages that were not used for a while out of memory, files first (DAMON): within minutes a token read 2 to 37 kB of the file back from the disk, for which all others wait. PostgreSQL keeps 2 GiB in memory of its own.',
  'The floor is as unsteady as the disk, which others share: 480 to 4,800 syncs a second within one hour, and ratios on SQLite of 0.43 to above 1.',
]

export type VaultResult = BenchResult & {
  /** Of the store with the lower ratio, with the most clients: tokens a second over the floor of the same round. */
  readonly ratio: number
  readonly store: StoreName
  readonly clients: number
  readonly tokensPerSecond: number
  readonly floorPerSecond: number
  readonly p99Ms: number
}

/** How many tokens a second become durable, beside what the disk can sync, and how long one client waits for its own. */
export async function benchVault(options: {
  readonly rounds: number
  readonly say: (line: string) => void
}): Promise<VaultResult> {
  const measured = new Map<StoreName, ArmRounds>()
  const lost: number[] = []
  for (const name of STORES) {
    const { rounds, missing } = await measureStore(name, options)
    measured.set(name, rounds)
    lost.push(missing)
  }
  return summarise(measured, Math.max(...lost))
}

async function measureStore(
  name: StoreName,
  options: { readonly rounds: number; readonly say: (line: string) => void },
): Promise<{ readonly rounds: ArmRounds; readonly missing: number }> {
  const { say } = options
  const store = await openBenchStore(name)
  try {
    await (await startVault(store)).close()
    const beganMs = performance.now()
    await store.fill(TOKENS_IN_TABLE)
    say(`${name}: ${TOKENS_IN_TABLE} tokens put in after ${Math.round((performance.now() - beganMs) / 1_000)} s`)
    const vault = await startVault(store)
    const acknowledged = { tokens: 0, firstCard: 1 }
    const arms: readonly Arm[] = CLIENTS.map((clients) => ({
      name: armOf(clients),
      measure: () => measureArm({ store, port: vault.port, clients, acknowledged }),
    }))
    const { rounds } = await runArms(arms, { rounds: options.rounds, warmUp: 1, say })
    await vault.close()
    const { cards } = await store.count()
    const missing = acknowledged.tokens - (cards - TOKENS_IN_TABLE)
    say(`${name}: ${acknowledged.tokens} tokens acknowledged, ${missing} of them not in the table`)
    return { rounds, missing }
  } finally {
    await store.close()
  }
}

async function startVault(store: BenchStore): Promise<{ readonly port: number; close(): Promise<void> }> {
  const process = new LoadProcess<ToVault, FromVault>('../vault/vault-process.ts')
  process.send({ type: 'start', dataDir: store.dataDir, postgresql: store.postgresql })
  const { port } = await process.next('listening', START_MS_MAX)
  return {
    port,
    close: async () => {
      process.send({ type: 'close' })
      await process.next('closed', START_MS_MAX)
      process.close()
    },
  }
}

async function measureArm(options: {
  readonly store: BenchStore
  readonly port: number
  readonly clients: number
  readonly acknowledged: { tokens: number; firstCard: number }
}): Promise<Measurement> {
  const { store, port, clients, acknowledged } = options
  const floor = (appendBytes: number): number =>
    bareSyncsPerSecond({ folder: store.folder, appendBytes, forMs: FLOOR_MS })
  const guards = new LoadProcess<ToClients, FromClients>('../vault/clients-process.ts')
  try {
    const before = floor(APPEND_BYTES)
    guards.send({ type: 'run', port, clients, forMs: ARM_MS, firstCard: acknowledged.firstCard })
    const ran = await guards.next('ran', START_MS_MAX)
    const after = floor(APPEND_BYTES)
    const together = clients * floor(clients * TOKEN_BYTES)
    acknowledged.tokens += ran.tokens
    acknowledged.firstCard += ran.tokens + ran.refused
    if (ran.refused > 0) throw new Error('a card was refused')
    return {
      figures: {
        tokensPerSecond: (ran.tokens * 1_000) / ran.ms,
        floorPerSecond: (before + after) / 2,
        floorTogetherPerSecond: together,
        p50Ms: ran.p50Ms,
        p99Ms: ran.p99Ms,
        maxMs: ran.maxMs,
      },
    }
  } finally {
    guards.close()
  }
}

function armOf(clients: number): string {
  return `${clients} clients`
}

type StoreFigures = Readonly<Record<string, number>> & { readonly clients: number; readonly ratio: number }

function figuresOf(
  rounds: ArmRounds,
  clients: number,
): { readonly figures: StoreFigures; readonly ratio: RatioEstimate } {
  const of = (figure: string): number => median(figureOf(rounds, armOf(clients), figure))
  const all = (figure: string): readonly number[] => figureOf(rounds, armOf(clients), figure)
  const ratio = ratioOfRounds(all('tokensPerSecond'), all('floorPerSecond'), { seed: SEED })
  const names = ['tokensPerSecond', 'floorPerSecond', 'floorTogetherPerSecond', 'p50Ms', 'p99Ms', 'maxMs']
  const figures = Object.fromEntries(names.map((name) => [name, rounded(of(name))]))
  return { figures: { clients, ratio: rounded(ratio.ratio), ...figures }, ratio }
}

function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}

function summarise(measured: ReadonlyMap<StoreName, ArmRounds>, missing: number): VaultResult {
  const most = [...measured].map(([store, rounds]) => ({ store, rounds, ...figuresOf(rounds, CLIENTS_MOST) }))
  const [worst] = most.toSorted((one, other) => one.ratio.ratio - other.ratio.ratio)
  if (worst === undefined) throw new Error('no store was measured')
  const { figures, store } = worst
  return {
    bench: 'vault',
    question:
      'How many tokens a second become durable, beside what the disk can sync, and how long does a client wait for one?',
    method: `The vault in a process of its own, ${TOKENS_IN_TABLE.toLocaleString('en')} tokens in its table (random rows under its own key id), both stores on the disk of the temporary folder. Each client has a TLS connection of its own and asks for the token of a card that is new, again when it has it: fingerprint, seal, look-ups, row, idempotency key and audit record, committed before the answer. The floor is what one token for one sync would be: a bare loop of appending a page of ${APPEND_BYTES} bytes and fdatasync, before and after each arm on the same disk. ratio is tokens a second over that floor, by round; at the top stands the store with the lower one, with ${CLIENTS_MOST} clients. Group commit alone lets it exceed the floor's share of the time that a token takes. floorTogetherPerSecond is what the same loop would make of as many tokens of ${TOKEN_BYTES} bytes with each sync as there are clients: no database, no cryptography, no network.`,
    at: new Date().toISOString(),
    machine: describeMachine(),
    ratio: figures.ratio,
    store,
    clients: CLIENTS_MOST,
    tokensPerSecond: Number(figures['tokensPerSecond']),
    floorPerSecond: Number(figures['floorPerSecond']),
    p99Ms: Number(figures['p99Ms']),
    data: {
      tokensInTable: TOKENS_IN_TABLE,
      rounds: worst.ratio.rounds,
      acknowledgedAndMissing: missing,
      stores: Object.fromEntries(
        [...measured].map(([name, rounds]) => [name, CLIENTS.map((clients) => figuresOf(rounds, clients).figures)]),
      ),
    },
    goals: [
      ...most.map(({ store: name, ratio }) => ({
        name: `${name}, ${CLIENTS_MOST} clients: durable tokens a second over syncs a second of a bare loop`,
        goal: `>= ${RATIO_GOAL}`,
        measured: `${ratio.ratio.toFixed(2)} (${ratio.low95.toFixed(2)} to ${ratio.high95.toFixed(2)})`,
        met: ratio.ratio >= RATIO_GOAL,
      })),
      {
        name: 'Tokens that were acknowledged and are not in the table',
        goal: '0',
        measured: String(missing),
        met: missing === 0,
      },
    ],
    plots: [...measured].flatMap(([name, rounds]) => [
      plotOf(`${name}: durable tokens a second, by clients`, '/s', rounds, 'tokensPerSecond'),
      plotOf(`${name}: 99 of 100 tokens come within, by clients`, 'ms', rounds, 'p99Ms'),
    ]),
    notes: [
      `With one client nothing can be shared: each token pays its own sync, its round trip over TLS, and on PostgreSQL two more to the server.`,
      `With ${CLIENTS_MOST} clients the disk's syncs are not what limits: vault and clients share ${describeMachine().cores} cores, and each token changes pages of its own in three trees of a large table.`,
      ...TRIED,
    ],
  }
}

function plotOf(title: string, unit: string, rounds: ArmRounds, figure: string): BenchResult['plots'][number] {
  return {
    title,
    unit,
    bars: CLIENTS.map((clients) => {
      const values = figureOf(rounds, armOf(clients), figure)
      return { name: String(clients), value: median(values), low: Math.min(...values), high: Math.max(...values) }
    }),
  }
}
