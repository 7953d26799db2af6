import { parseArgs } from 'node:util'

export type EvidenceCommand =
  | {
      readonly kind: 'evidence'
      readonly configurationFile: string
      /** null: a new folder in the data folder. */
      readonly out: string | null
      /** Signs the folder, PKCS#8 in PEM; null: the key of the audit record. */
      readonly key: string | null
      /** False: no port is asked which TLS it takes. */
      readonly shakeHands: boolean
    }
  /** The verifier reads its own arguments: it runs without the rest of the product, too. */
  | { readonly kind: 'evidence-verify'; readonly given: readonly string[] }
  | { readonly kind: 'refused'; readonly text: string }

const OPTIONS = {
  config: { type: 'string' },
  out: { type: 'string' },
  key: { type: 'string' },
  'no-handshakes': { type: 'boolean' },
} as const

/** Reads what follows `tonewall evidence`. */
export function readEvidenceCommand(given: readonly string[], defaultConfigurationFile: string): EvidenceCommand {
  if (given[0] === 'verify') return { kind: 'evidence-verify', given: given.slice(1) }
  const { values, positionals, tokens } = parseArgs({
    args: [...given],
    options: OPTIONS,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const { name, rawName, value } = token
    if (!Object.hasOwn(OPTIONS, name)) return refused(`evidence takes no option ${rawName}`)
    if (name === 'no-handshakes' ? value !== undefined : (value ?? '') === '') {
      return refused(name === 'no-handshakes' ? `${rawName} takes no value` : `${rawName} needs a value`)
    }
  }
  if (positionals.length > 0) {
    return refused(
      `evidence takes no ${positionals.join(' ')}; a folder is named with --out, or checked with evidence verify`,
    )
  }
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
  return {
    kind: 'evidence',
    configurationFile: text(values.config) ?? defaultConfigurationFile,
    out: text(values.out),
    key: text(values.key),
    shakeHands: values['no-handshakes'] !== true,
  }
}

function refused(text: string): EvidenceCommand {
  return { kind: 'refused', text }
}
