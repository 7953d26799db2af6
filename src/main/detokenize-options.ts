import { parseArgs } from 'node:util'
import type { DetokenizeOrder } from '../cde/detokenize-command.ts'

/** Has the running vault tell one card number, into a file or a pipe. */
export type DetokenizeCommand = DetokenizeOrder & {
  readonly kind: 'vault-detokenize'
  readonly configurationFile: string
}

const TOKEN = /^(?:tok_[a-z]{20}\d_\d{4}|0\d{12,18})$/
const CLIENT = /^[a-z][a-z0-9-]{0,39}$/

/** Reads what stands behind `tonewall vault detokenize`. */
export function readDetokenizeCommand(
  given: readonly string[],
  configurationFile: string,
): DetokenizeCommand | { readonly kind: 'refused'; readonly text: string } {
  const { values, positionals, tokens } = parseArgs({
    args: [...given],
    options: OPTIONS,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    if (!Object.hasOwn(OPTIONS, token.name)) return refused(`vault detokenize takes no option ${token.rawName}`)
    if ((token.value ?? '') === '') return refused(`${token.rawName} needs a value`)
  }
  const text = (option: keyof typeof OPTIONS): string | null => {
    const value = values[option]
    return typeof value === 'string' ? value : null
  }
  const [token, ...more] = positionals
  // What is no token may be a card number: it is not said again.
  if (token === undefined || more.length > 0 || !TOKEN.test(token)) return refused('vault detokenize needs one token')
  const [purpose, client, to] = [text('purpose'), text('client'), text('to')]
  if (purpose === null) return refused('vault detokenize needs --purpose: it is written into the audit record')
  if (client === null || !CLIENT.test(client)) return refused('vault detokenize needs --client, a detokenizer')
  if (to === null) return refused('vault detokenize needs --to FILE, or --to - for a pipe')
  return {
    kind: 'vault-detokenize',
    configurationFile: text('config') ?? configurationFile,
    ...{ token, purpose, client, merchant: text('merchant'), certificates: text('certificates') },
    to: to === '-' ? null : to,
  }
}

const OPTIONS = {
  config: { type: 'string' },
  purpose: { type: 'string' },
  client: { type: 'string' },
  merchant: { type: 'string' },
  certificates: { type: 'string' },
  to: { type: 'string' },
} as const

function refused(text: string): { readonly kind: 'refused'; readonly text: string } {
  return { kind: 'refused', text }
}
