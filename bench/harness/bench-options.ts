/** What `npm run bench` was asked for. Null stands for a bench's own default. */
export type BenchOptions = {
  readonly names: readonly string[]
  readonly rounds: number | null
  /** Key presses of each scenario. */
  readonly keys: number | null
  readonly minutes: number | null
  /** Only scenarios whose name holds this; nothing is written then. */
  readonly only: string | null
  readonly offline: boolean
  /** Only what needs SIP, rtpengine and the guard's process; the rest is kept from the last run. */
  readonly live: boolean
}

export type BenchOptionsParse =
  { readonly kind: 'options'; readonly options: BenchOptions } | { readonly kind: 'refused'; readonly why: string }

/** A million keys of one scenario take twenty minutes. */
const NUMBERS = { '--rounds': 200, '--keys': 1_000_000, '--minutes': 600 } as const

/** Reads `[NAME ...] [--rounds N] [--keys N] [--minutes N] [--only TEXT] [--offline | --live]`. */
export function parseBenchOptions(words: readonly string[], known: readonly string[]): BenchOptionsParse {
  const names: string[] = []
  const numbers = new Map<string, number>()
  let only: string | null = null
  let offline = false
  let live = false
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    if (word === '--rounds' || word === '--keys' || word === '--minutes') {
      const value = Number(words[index + 1])
      index += 1
      if (!Number.isInteger(value) || value < 1 || value > NUMBERS[word])
        return { kind: 'refused', why: `${word} takes a whole number from 1 to ${NUMBERS[word]}` }
      numbers.set(word, value)
    } else if (word === '--only') {
      only = words[index + 1] ?? ''
      index += 1
      if (only === '') return { kind: 'refused', why: '--only takes a part of a name' }
    } else if (word === '--offline') offline = true
    else if (word === '--live') live = true
    else if (known.includes(word)) names.push(word)
    else {
      return { kind: 'refused', why: `there is no bench ${JSON.stringify(word)}; there are: ${known.join(', ')}` }
    }
  }
  if (live && (offline || only !== null))
    return { kind: 'refused', why: '--live goes with neither --offline nor --only' }
  const number = (word: string): number | null => numbers.get(word) ?? null
  const options = { rounds: number('--rounds'), keys: number('--keys'), minutes: number('--minutes') }
  return { kind: 'options', options: { names, ...options, only, offline, live } }
}
