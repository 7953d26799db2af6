import { VaultClient } from '../../src/cde/vault-client.ts'
import { eventually } from '../../test/fakes/eventually.ts'
import { sharedIdentity } from '../../test/fakes/shared-certificates.ts'
import { quantile } from '../harness/statistics.ts'
import { MERCHANT } from './card-fill.ts'
import { panOf } from './numbered-card.ts'
import type { FromClients, ToClients } from './vault-protocol.ts'

const CONNECT_MS_MAX = 20_000
const DEADLINE_MS = 10_000
const EXPIRY = Uint8Array.of(1, 2, 3, 9)
const NO_CODE = new Uint8Array(0)

/** Guards, as far as the vault can see: each over a connection of its own, the next card when the one before has its token. */
async function run({ port, clients, forMs, firstCard }: ToClients): Promise<FromClients> {
  const identity = sharedIdentity('guard')
  const guards = Array.from({ length: clients }, () => new VaultClient({ host: '127.0.0.1', port, identity }))
  await eventually(() => guards.every(({ isOpen }) => isOpen), CONNECT_MS_MAX)
  const latencies: number[] = []
  let card = firstCard
  let refused = 0
  const beganMs = performance.now()
  const work = async (guard: VaultClient): Promise<void> => {
    for (let nowMs = performance.now(); nowMs - beganMs < forMs;) {
      const index = card
      card += 1
      const name = `bench-card-${index}`
      const request = { merchant: MERCHANT, windowId: 'bench', idempotencyKey: name }
      const digits = { pan: panOf(index), expiry: EXPIRY, cardCode: NO_CODE }
      const answer = await guard.tokenize(request, digits, { deadlineMs: DEADLINE_MS })
      const endMs = performance.now()
      if (answer.type === 'tokenized') latencies.push(endMs - nowMs)
      else refused += 1
      nowMs = endMs
    }
  }
  await Promise.all(guards.map(work))
  const ms = performance.now() - beganMs
  for (const guard of guards) guard.close()
  const at = (share: number): number => quantile(latencies, share)
  return { type: 'ran', tokens: latencies.length, refused, ms, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) }
}

process.on('message', (message: ToClients) => {
  void run(message).then((ran) => process.send?.(ran))
})
