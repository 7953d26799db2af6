import { benchGuardLoad } from './guard-load.ts'
import { benchMediaLatency } from './media-latency.ts'
import { benchSwitch } from './switch.ts'
import { writePage } from './harness/page.ts'
import { writeResult, type BenchResult } from './harness/results.ts'

/** `npm run bench -- [NAME ...] [--rounds N]`: runs the named benches, or all, and writes data and the page. */
type Bench = (options: { readonly rounds: number; readonly say: (line: string) => void }) => Promise<BenchResult>

const BENCHES: Readonly<Record<string, { readonly run: Bench; readonly rounds: number }>> = {
  'guard-load': { run: benchGuardLoad, rounds: 5 },
  'media-latency': { run: benchMediaLatency, rounds: 10 },
  switch: { run: benchSwitch, rounds: 8 },
}
const ROUNDS_MAX = 200

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

export async function main(words: readonly string[]): Promise<number> {
  const names: string[] = []
  let rounds: number | null = null
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    if (word === '--rounds') {
      rounds = Number(words[index + 1])
      index += 1
      if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX) {
        say(`--rounds takes a whole number from 1 to ${ROUNDS_MAX}`)
        return 2
      }
    } else if (word in BENCHES) names.push(word)
    else {
      say(`there is no bench ${JSON.stringify(word)}; there are: ${Object.keys(BENCHES).join(', ')}`)
      return 2
    }
  }
  for (const name of names.length === 0 ? Object.keys(BENCHES) : names) {
    const bench = BENCHES[name]
    if (bench === undefined) continue
    say(`bench ${name}`)
    const result = await bench.run({ rounds: rounds ?? bench.rounds, say })
    say(`wrote ${writeResult(result)}`)
    for (const goal of result.goals)
      say(`  ${goal.met ? 'met   ' : 'missed'} ${goal.name}: ${goal.measured} (goal ${goal.goal})`)
  }
  say(`wrote ${await writePage()}`)
  return 0
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
