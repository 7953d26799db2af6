import { benchGuardLoad } from './guard-load.ts'
import { benchLeak } from './leak.ts'
import { benchLeakKnee } from './leak-knee.ts'
import { benchMediaLatency } from './media-latency.ts'
import { benchSipCps, ROUNDS as CPS_ROUNDS } from './sip-cps.ts'
import { benchSipGrowth } from './sip-growth.ts'
import { benchSwitch } from './switch.ts'
import { benchVault } from './vault.ts'
import { parseBenchOptions, type BenchOptions } from './harness/bench-options.ts'
import { writePage } from './harness/page.ts'
import { writeResult, type BenchResult } from './harness/results.ts'

/** `npm run bench -- [NAME ...] [options]`: runs the named benches, or all, and writes data and the page. */
type Bench = (options: BenchOptions & { readonly say: (line: string) => void }) => Promise<BenchResult>

const BENCHES: Readonly<Record<string, Bench>> = {
  'guard-load': inRounds(benchGuardLoad, 5),
  leak: benchLeak,
  'leak-knee': benchLeakKnee,
  'media-latency': inRounds(benchMediaLatency, 10),
  'sip-cps': inRounds(benchSipCps, CPS_ROUNDS),
  // Long enough for 100,000 calls.
  'sip-growth': (options) => benchSipGrowth({ minutes: options.minutes ?? 23, say: options.say }),
  switch: inRounds(benchSwitch, 8),
  vault: inRounds(benchVault, 3),
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

export async function main(words: readonly string[]): Promise<number> {
  const parsed = parseBenchOptions(words, Object.keys(BENCHES))
  if (parsed.kind === 'refused') {
    say(parsed.why)
    return 2
  }
  const { options } = parsed
  for (const name of options.names.length === 0 ? Object.keys(BENCHES) : options.names) {
    const bench = BENCHES[name]
    if (bench === undefined) continue
    say(`bench ${name}`)
    const result = await bench({ ...options, say })
    // A part of a bench must not stand in the place of the whole.
    if (options.only === null) say(`wrote ${writeResult(result)}`)
    for (const goal of result.goals)
      say(`  ${goal.met ? 'met   ' : 'missed'} ${goal.name}: ${goal.measured} (goal ${goal.goal})`)
  }
  if (options.only === null) say(`wrote ${await writePage()}`)
  return 0
}

/** A bench that compares arms within rounds. */
function inRounds(
  bench: (options: { readonly rounds: number; readonly say: (line: string) => void }) => Promise<BenchResult>,
  rounds: number,
): Bench {
  return (options) => bench({ rounds: options.rounds ?? rounds, say: options.say })
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
