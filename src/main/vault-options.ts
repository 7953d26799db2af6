import { parseArgs } from 'node:util'
import type { VaultCommand } from './vault-command.ts'

/** As PostgreSQL takes a name without quotes. */
const ROLE = /^[a-z_][a-z0-9_]{0,62}$/

/** Reads what stands behind `tonewall vault`. */
export function readVaultCommand(
  given: readonly string[],
  configurationFile: string,
): VaultCommand | { readonly kind: 'refused'; readonly text: string } {
  const { values, positionals, tokens } = parseArgs({
    args: [...given],
    options: OPTIONS,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  const [act, ...operands] = positionals
  if (act !== 'migrate' && act !== 'move')
    return refused('vault needs what to do: migrate, or move; keys, custodians, or unseal')
  const takes: readonly string[] = TAKES[act]
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    if (!takes.includes(token.name)) return refused(`vault ${act} takes no option ${token.rawName}`)
    if ((token.value ?? '') === '') return refused(`${token.rawName} needs a value`)
  }
  const text = (option: keyof typeof OPTIONS): string | null => {
    const value = values[option]
    return typeof value === 'string' ? value : null
  }
  const common = { kind: 'vault', configurationFile: text('config') ?? configurationFile } as const
  if (act === 'migrate') {
    if (operands.length > 0) return refused(`vault migrate takes no ${operands.join(' ')}`)
    const [user, passwordFile] = [text('user'), text('password-file')]
    if (user === null && passwordFile !== null) return refused('--password-file is of a --user')
    if (user !== null && !ROLE.test(user)) return refused('--user is a role: small letters, digits and underscores')
    return { ...common, act, owner: user === null ? null : { user, passwordFile } }
  }
  const [file, ...more] = operands
  const isKnown = text('from') === 'sqlite' && text('to') === 'postgresql'
  if (!isKnown || file === undefined || more.length > 0) {
    return refused('vault move goes --from sqlite FILE --to postgresql')
  }
  return { ...common, act, file }
}

const OPTIONS = {
  config: { type: 'string' },
  user: { type: 'string' },
  'password-file': { type: 'string' },
  from: { type: 'string' },
  to: { type: 'string' },
} as const

const TAKES = { migrate: ['config', 'user', 'password-file'], move: ['config', 'from', 'to'] } as const

function refused(text: string): { readonly kind: 'refused'; readonly text: string } {
  return { kind: 'refused', text }
}
