import { parseArgs } from 'node:util'

/** PCI DSS 3.7.6: no one person has the key. Nobody has more custodians than this. */
const THRESHOLD_MIN = 2
const SHARES_MAX = 16

/** `tonewall vault keys`, `tonewall vault custodians` and `tonewall vault unseal`. */
export type VaultKeyCommand = { readonly kind: 'vault-keys'; readonly configurationFile: string } & (
  | { readonly act: 'list'; readonly json: boolean }
  | { readonly act: 'rotate'; readonly merchant: string; readonly purpose: 'card' | 'fingerprint' }
  | { readonly act: 'reencrypt' | 'rewrap' }
  | { readonly act: 'make' }
  | {
      readonly act: 'shred'
      readonly merchant: string
      readonly keyId: string | null
      readonly confirmation: string | null
    }
  | {
      readonly act: 'custodians'
      readonly shares: number
      readonly threshold: number
      /** Where each share is written to a file of its own; null: shown one after the other at the terminal. */
      readonly folder: string | null
    }
  /** null: the share is typed, or comes through a pipe. */
  | { readonly act: 'unseal'; readonly shareFile: string | null }
)

/** Reads what stands behind `tonewall vault`; null where it is none of these commands. */
export function readVaultKeyCommand(
  given: readonly string[],
  configurationFile: string,
): VaultKeyCommand | Refused | null {
  const [group, act] = given
  if (group === 'unseal') return read('unseal', given.slice(1), configurationFile)
  if (group === 'custodians') {
    if (act !== 'create') return refused('vault custodians needs what to do: create')
    return read('custodians', given.slice(2), configurationFile)
  }
  if (group !== 'keys') return null
  const known = ACTS.find((name) => name === act)
  if (known === undefined) return refused(`vault keys needs what to do: ${ACTS.join(', ')}`)
  return read(known, given.slice(2), configurationFile)
}

const ACTS = ['list', 'rotate', 'reencrypt', 'rewrap', 'shred', 'make'] as const

const OPTIONS = {
  config: { type: 'string' },
  json: { type: 'boolean' },
  merchant: { type: 'string' },
  purpose: { type: 'string' },
  key: { type: 'string' },
  confirm: { type: 'string' },
  shares: { type: 'string' },
  threshold: { type: 'string' },
  folder: { type: 'string' },
  'share-file': { type: 'string' },
} as const
type Option = keyof typeof OPTIONS
type Act = VaultKeyCommand['act']

const TAKES: Readonly<Record<Act, readonly Option[]>> = {
  list: ['json', 'config'],
  rotate: ['merchant', 'purpose', 'config'],
  reencrypt: ['config'],
  rewrap: ['config'],
  make: ['config'],
  shred: ['merchant', 'key', 'confirm', 'config'],
  custodians: ['shares', 'threshold', 'folder', 'config'],
  unseal: ['share-file', 'config'],
}

type Refused = { readonly kind: 'refused'; readonly text: string }

function read(act: Act, given: readonly string[], configurationFile: string): VaultKeyCommand | Refused {
  const { values, positionals, tokens } = parseArgs({
    args: [...given],
    options: OPTIONS,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  const takes: readonly string[] = TAKES[act]
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    if (!takes.includes(token.name)) return refused(`this takes no option ${token.rawName}`)
    if (token.name !== 'json' && (token.value ?? '') === '') return refused(`${token.rawName} needs a value`)
  }
  // A share that is given here would be in the list of processes and in the shell's history. It is not repeated.
  if (positionals.length > 0) return refused('this takes options only; a share is typed, or read from a file')
  const text = (option: Option): string | null => {
    const value = values[option]
    return typeof value === 'string' ? value : null
  }
  const common = { kind: 'vault-keys', configurationFile: text('config') ?? configurationFile } as const
  const merchant = text('merchant')
  switch (act) {
    case 'list':
      return { ...common, act, json: values.json === true }
    case 'reencrypt':
    case 'rewrap':
      return { ...common, act }
    case 'make':
      return { ...common, act }
    case 'rotate': {
      const purpose = text('purpose') ?? 'card'
      if (merchant === null) return refused('name the --merchant')
      if (purpose !== 'card' && purpose !== 'fingerprint') return refused('--purpose is card or fingerprint')
      return { ...common, act, merchant, purpose }
    }
    case 'shred':
      if (merchant === null) return refused('name the --merchant, and with --key one of its keys')
      return { ...common, act, merchant, keyId: text('key'), confirmation: text('confirm') }
    case 'custodians': {
      const [shares, threshold] = [Number(text('shares') ?? Number.NaN), Number(text('threshold') ?? Number.NaN)]
      const isGood = Number.isInteger(shares) && Number.isInteger(threshold)
      if (!isGood || threshold < THRESHOLD_MIN || threshold > shares || shares > SHARES_MAX) {
        return refused(`write --shares N --threshold M, with M from ${THRESHOLD_MIN} to N and N to ${SHARES_MAX}`)
      }
      return { ...common, act, shares, threshold, folder: text('folder') }
    }
    case 'unseal':
      return { ...common, act, shareFile: text('share-file') }
  }
}

function refused(text: string): Refused {
  return { kind: 'refused', text }
}
