import { parseArgs } from 'node:util'
import { readAuditCommand, type AuditCommand } from './audit-options.ts'
import type { CallsCommand } from './calls-command.ts'
import { DEFAULT_CONFIGURATION_FILE } from './configuration.ts'
import { readDetokenizeCommand, type DetokenizeCommand } from './detokenize-options.ts'
import type { DrainCommand } from './drain-command.ts'
import { readEvidenceCommand, type EvidenceCommand } from './evidence-options.ts'
import type { ReloadCommand } from './reload-command.ts'
import type { SelfTestCommand } from './self-test-command.ts'
import type { TraceCommand } from './trace-command.ts'
import { readTrunkCheck, type TrunkCheckCommand } from './trunk-check-options.ts'
import { DRAIN_SECONDS_MAX } from '../wire/site-protocol.ts'
import type { VaultCommand } from './vault-command.ts'
import { readVaultKeyCommand, type VaultKeyCommand } from './vault-key-options.ts'
import { readVaultCommand } from './vault-options.ts'
import { isRoleName, ROLE_NAMES, type RoleName } from './role-name.ts'

export const USAGE = `usage: tonewall COMMAND

  start [--config FILE] [--no-call]   run a whole site on this machine, and place a demonstration call
        [--once --report FILE]        make one call, write FILE, exit 0 only if all held
        [--transport events|inband|both|info] [--codec PCMU|PCMA|G722] [--masking talk-through|hard]
                                      how the demonstration's payer sends keys and speaks, and how it is masked
  run ROLE [--config FILE] [--name NAME]
                                      run one process: ${ROLE_NAMES.join(', ')}; NAME tells guards apart
  trunk-check --call sip:NUMBER@TRUNK | --accept
        [--keys N] [--seconds N] [--json FILE] [--address IP] [--port N] [--rtp-port N] [--from NUMBER] [--config FILE]
                                      learn from one call how a trunk sends keys, and which settings fit it
  selftest [--name GUARD] [--json FILE] [--config FILE]
                                      have the running site test its guards with a canary call; exit 0 only if all pass
  calls [--watch] [--json] [--config FILE]
                                      show who is talking through the running site
  trace CALL [--follow] [--json] [--config FILE]
                                      show the SIP messages of a call; CALL as in calls, or a SIP Call-ID
  drain [--deadline SECONDS] [--undo] [--config FILE]
                                      have the running site take no new calls, and end when the last one has ended
  reload [FILE] [--config FILE]       have the running site take its file, or another, without dropping a call
  audit export [--after N] [--to FILE] [--config FILE]
  audit key [--config FILE]           write the vault's audit record, and the public key that its checkpoints are signed with
  audit verify --key FILE... FILE...  say whether anything of it was changed, taken out, moved or cut; --help for more
  vault migrate [--user OWNER [--password-file FILE]] [--config FILE]
                                      bring the vault's PostgreSQL up to this release, and let the vault's role use it
  vault move --from sqlite FILE --to postgresql [--config FILE]
                                      move a vault's file there without changing a token, and compare every row
  evidence [--out FOLDER] [--key FILE] [--no-handshakes] [--config FILE]
                                      write a signed folder for an assessor: diagrams, inventories, controls, results
  evidence verify [--key FILE...] FOLDER
                                      say whether anything in it was changed, taken out or added; --help for more
  vault detokenize TOKEN --purpose TEXT --client NAME --to FILE|- [--merchant NAME] [--certificates FOLDER] [--config FILE]
                                      have the running vault tell one card number, into a file or a pipe
  vault keys list [--json] | rotate --merchant NAME [--purpose card|fingerprint] | reencrypt | rewrap | make
  vault keys shred --merchant NAME [--key KEY] [--confirm CODE]
                                      show, change and destroy the keys of the running vault; --config FILE with each
  vault custodians create --shares N --threshold M [--folder FOLDER] [--config FILE]
                                      make a key-encryption key of which each custodian has a share only
  vault unseal [--share-file FILE] [--config FILE]
                                      give a share to the running vault, typed unseen or from a file
  check-config FILE                   name line, key and cure of whatever does not fit
  version                             say which version this is
  help                                say this
`

export const KEY_TRANSPORTS = ['events', 'inband', 'both', 'info'] as const
export const CODECS = ['PCMU', 'PCMA', 'G722'] as const
export const MASKINGS = ['talk-through', 'hard'] as const

/** What a person can ask of the demonstration call. */
export type DemonstrationChoice = {
  readonly transport: (typeof KEY_TRANSPORTS)[number]
  readonly codec: (typeof CODECS)[number]
  readonly masking: (typeof MASKINGS)[number]
}

export type Command =
  | {
      readonly kind: 'start'
      readonly configurationFile: string
      /** null: no demonstration call. */
      readonly call: DemonstrationChoice | null
      /** The report's file when the command ends after one call; null: it goes on until it is told to end. */
      readonly onceReport: string | null
    }
  | {
      readonly kind: 'run'
      readonly role: RoleName
      readonly configurationFile: string
      /** null: the role has one process, or the first of the configuration is meant. */
      readonly name: string | null
    }
  | TrunkCheckCommand
  | SelfTestCommand
  | CallsCommand
  | TraceCommand
  | DrainCommand
  | ReloadCommand
  | AuditCommand
  | EvidenceCommand
  | VaultCommand
  | VaultKeyCommand
  | DetokenizeCommand
  | { readonly kind: 'check-config'; readonly file: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'help' }
  /** `text` names what is wrong; the usage belongs below it. */
  | { readonly kind: 'refused'; readonly text: string }

const OPTIONS = {
  config: { type: 'string' },
  name: { type: 'string' },
  report: { type: 'string' },
  transport: { type: 'string' },
  codec: { type: 'string' },
  masking: { type: 'string' },
  once: { type: 'boolean' },
  'no-call': { type: 'boolean' },
  call: { type: 'string' },
  accept: { type: 'boolean' },
  keys: { type: 'string' },
  seconds: { type: 'string' },
  json: { type: 'string' },
  address: { type: 'string' },
  port: { type: 'string' },
  'rtp-port': { type: 'string' },
  from: { type: 'string' },
  watch: { type: 'boolean' },
  follow: { type: 'boolean' },
  deadline: { type: 'string' },
  undo: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const
type OptionName = keyof typeof OPTIONS

/** Commands whose --json stands alone: they write to standard output. */
const JSON_ALONE: ReadonlySet<string> = new Set(['calls', 'trace'])

/** Which options each command takes. */
const TAKES: Readonly<Record<string, readonly OptionName[]>> = {
  start: ['config', 'no-call', 'once', 'report', 'transport', 'codec', 'masking'],
  run: ['config', 'name'],
  'trunk-check': ['call', 'accept', 'keys', 'seconds', 'json', 'address', 'port', 'rtp-port', 'from', 'config'],
  selftest: ['name', 'json', 'config'],
  calls: ['watch', 'json', 'config'],
  trace: ['follow', 'json', 'config'],
  drain: ['deadline', 'undo', 'config'],
  reload: ['config'],
  'check-config': [],
  version: [],
  help: [],
}

/** Reads the command line, without program names. */
export function parseCommandLine(given: readonly string[]): Command {
  if (given[0] === 'audit' && !(given[1] ?? '').startsWith('-')) {
    return readAuditCommand(given.slice(1), DEFAULT_CONFIGURATION_FILE)
  }
  if (given[0] === 'evidence' && given[1] !== '--help') {
    return readEvidenceCommand(given.slice(1), DEFAULT_CONFIGURATION_FILE)
  }
  if (given[0] === 'vault' && given[1] === 'detokenize') {
    return readDetokenizeCommand(given.slice(2), DEFAULT_CONFIGURATION_FILE)
  }
  if (given[0] === 'vault' && given[1] !== '--help') {
    const ofKeys = readVaultKeyCommand(given.slice(1), DEFAULT_CONFIGURATION_FILE)
    return ofKeys ?? readVaultCommand(given.slice(1), DEFAULT_CONFIGURATION_FILE)
  }
  const options: { readonly [Name in OptionName]: { readonly type: 'string' | 'boolean' } } = JSON_ALONE.has(
    given.find((argument) => !argument.startsWith('-')) ?? '',
  )
    ? { ...OPTIONS, json: { type: 'boolean' } }
    : OPTIONS
  const { values, positionals, tokens } = parseArgs({
    args: [...given],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  if (values.help === true) return { kind: 'help' }
  if (values.version === true) return { kind: 'version' }
  const [name, ...operands] = positionals
  if (name === undefined) return refused('no command was given')
  const takes = Object.hasOwn(TAKES, name) ? TAKES[name] : undefined
  if (takes === undefined) return refused(`there is no command ${name}`)
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const option = token.name
    if (!isOption(option)) return refused(`there is no option ${token.rawName}`)
    if (!takes.includes(option)) return refused(`${name} takes no option ${token.rawName}`)
    if (options[option].type === 'string' && (token.value ?? '') === '') {
      return refused(`${token.rawName} needs a value`)
    }
    if (options[option].type === 'boolean' && token.value !== undefined) {
      return refused(`${token.rawName} takes no value`)
    }
  }
  const text = (option: OptionName): string | null => {
    const value = values[option]
    return typeof value === 'string' ? value : null
  }
  const configurationFile = text('config') ?? DEFAULT_CONFIGURATION_FILE
  const [operand, ...more] = operands
  switch (name) {
    case 'start':
      if (operand !== undefined) return refused(`start takes no ${operand}`)
      return startCommand({ configurationFile, once: values.once === true, noCall: values['no-call'] === true, text })
    case 'run':
      if (operand === undefined) return refused(`run needs a role: ${ROLE_NAMES.join(', ')}`)
      if (!isRoleName(operand) || more.length > 0) return refused(`there is no role ${operands.join(' ')}`)
      return { kind: 'run', role: operand, configurationFile, name: text('name') }
    case 'trunk-check':
      if (operand !== undefined) return refused(`trunk-check takes no ${operand}`)
      return readTrunkCheck({ configurationFile, accept: values.accept === true, text })
    case 'selftest':
      if (operand !== undefined) return refused(`selftest takes no ${operand}; a guard is named with --name`)
      return { kind: 'selftest', configurationFile, guard: text('name'), json: text('json') }
    case 'calls':
      if (operand !== undefined) return refused(`calls takes no ${operand}`)
      return { kind: 'calls', configurationFile, json: values.json === true, watch: values.watch === true }
    case 'trace':
      if (operand === undefined || more.length > 0) return refused('trace needs one call: see `tonewall calls`')
      if (!/^[\x21-\x7e]{1,200}$/.test(operand)) return refused('that is no id of a call')
      return {
        kind: 'trace',
        configurationFile,
        call: operand,
        json: values.json === true,
        follow: values.follow === true,
      }
    case 'drain':
      if (operand !== undefined) return refused(`drain takes no ${operand}`)
      return drainCommand({ configurationFile, deadline: text('deadline'), undo: values.undo === true })
    case 'reload':
      if (more.length > 0) return refused('reload takes one file at most')
      // Where the site listens is read from --config, or from the file itself: neither can change in a reload.
      return {
        kind: 'reload',
        configurationFile: text('config') ?? operand ?? DEFAULT_CONFIGURATION_FILE,
        file: operand ?? null,
      }
    case 'check-config':
      if (operand === undefined || more.length > 0) return refused('check-config needs one file')
      return { kind: 'check-config', file: operand }
    default:
      if (operand !== undefined) return refused(`${name} takes no ${operand}`)
      return name === 'version' ? { kind: 'version' } : { kind: 'help' }
  }
}

function startCommand(options: {
  readonly configurationFile: string
  readonly once: boolean
  readonly noCall: boolean
  readonly text: (option: OptionName) => string | null
}): Command {
  const { text, configurationFile } = options
  const transport = oneOf(KEY_TRANSPORTS, text('transport') ?? 'events')
  const codec = oneOf(CODECS, text('codec') ?? 'PCMU')
  const masking = oneOf(MASKINGS, text('masking') ?? 'talk-through')
  if (transport === null) return refused(`--transport is one of ${KEY_TRANSPORTS.join(', ')}`)
  if (codec === null) return refused(`--codec is one of ${CODECS.join(', ')}`)
  if (masking === null) return refused(`--masking is one of ${MASKINGS.join(', ')}`)
  const report = text('report')
  if (options.once !== (report !== null)) return refused('--once and --report FILE go together')
  if (options.once && options.noCall) return refused('--once makes a call, --no-call forbids it')
  const call = options.noCall ? null : { transport, codec, masking }
  return { kind: 'start', configurationFile, call, onceReport: report }
}

function drainCommand(options: {
  readonly configurationFile: string
  readonly deadline: string | null
  readonly undo: boolean
}): Command {
  const { configurationFile, deadline, undo } = options
  if (undo && deadline !== null) return refused('--undo takes calls again, and has no --deadline')
  const seconds = deadline === null ? null : Number(deadline)
  if (seconds !== null && !(Number.isInteger(seconds) && seconds >= 1 && seconds <= DRAIN_SECONDS_MAX))
    return refused(`--deadline is a whole number of seconds from 1 to ${DRAIN_SECONDS_MAX}`)
  return { kind: 'drain', configurationFile, seconds, undo }
}

function oneOf<const Choice extends string>(choices: readonly Choice[], text: string): Choice | null {
  return choices.find((choice) => choice === text) ?? null
}

function isOption(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name)
}

function refused(text: string): Command {
  return { kind: 'refused', text }
}
