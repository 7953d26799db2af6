import { parseArgs } from 'node:util'

export type AuditCommand =
  | {
      readonly kind: 'audit-export'
      readonly configurationFile: string
      /** null: standard output. */
      readonly to: string | null
      /** The record to begin behind; null: the oldest that is on line. */
      readonly after: number | null
    }
  | { readonly kind: 'audit-key'; readonly configurationFile: string }
  /** The verifier reads its own arguments: it runs without the rest of the product, too. */
  | { readonly kind: 'audit-verify'; readonly given: readonly string[] }
  | { readonly kind: 'refused'; readonly text: string }

const SEQUENCE = /^\d{1,15}$/

/** Reads what follows `tonewall audit`. */
export function readAuditCommand(given: readonly string[], defaultConfigurationFile: string): AuditCommand {
  const [name, ...rest] = given
  if (name === 'verify') return { kind: 'audit-verify', given: rest }
  if (name !== 'export' && name !== 'key') return refused('audit needs one of: export, verify, key')
  const options = name === 'export' ? EXPORT_OPTIONS : KEY_OPTIONS
  const { values, positionals, tokens } = parseArgs({
    args: rest,
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    if (!Object.hasOwn(options, token.name)) return refused(`audit ${name} takes no option ${token.rawName}`)
    if ((token.value ?? '') === '') return refused(`${token.rawName} needs a value`)
  }
  if (positionals.length > 0) return refused(`audit ${name} takes no ${positionals.join(' ')}`)
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
  const configurationFile = text(values['config']) ?? defaultConfigurationFile
  if (name === 'key') return { kind: 'audit-key', configurationFile }
  const after = text(values['after'])
  if (after !== null && !SEQUENCE.test(after)) return refused('--after is the number of a record')
  return {
    kind: 'audit-export',
    configurationFile,
    to: text(values['to']),
    after: after === null ? null : Number(after),
  }
}

const KEY_OPTIONS = { config: { type: 'string' } } as const
const EXPORT_OPTIONS = { ...KEY_OPTIONS, to: { type: 'string' }, after: { type: 'string' } } as const

function refused(text: string): AuditCommand {
  return { kind: 'refused', text }
}
