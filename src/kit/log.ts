import { pino } from 'pino'

/**
 * The only fields a log line may carry. pino's own redaction misses deeper paths and message strings, so this list
 * lets through what is named and drops the rest. Values are numbers, booleans or short strings; nothing nested.
 */
const ALLOWED_FIELDS = [
  'code',
  'role',
  'peerRole',
  'callId',
  'windowId',
  'agent',
  'trunk',
  'address',
  'port',
  'transport',
  'method',
  'status',
  'state',
  'field',
  'entered',
  'codec',
  'masking',
  'form',
  'merchant',
  'brand',
  'attempt',
  'delayMs',
  'durationMs',
  'count',
  'limit',
  'bytes',
  'pid',
  'signal',
  'exitCode',
  'instance',
  'key',
  'file',
  'line',
  'route',
  'errorName',
  'errorCode',
  'version',
  'sequence',
] as const

export type LogField = (typeof ALLOWED_FIELDS)[number]
export type LogFields = { readonly [Field in LogField]?: string | number | boolean }

/** Texts are literals: a fact goes into an allow-listed field, so no text can carry data. */
export type Logger = {
  debug(fields: LogFields, text: string): void
  info(fields: LogFields, text: string): void
  warn(fields: LogFields, text: string): void
  error(fields: LogFields, text: string): void
}

/** A longer value is cut: no log field of ours needs more. */
const VALUE_LENGTH_MAX = 128

/** Thirteen digits or more in a row could be a card number whatever the field is called, so the value is withheld. */
const DIGIT_RUN = /\d(?:[ .-]?\d){11,}/

const allowed: ReadonlySet<string> = new Set(ALLOWED_FIELDS)

/** Keeps only allow-listed scalar fields and withholds values that look like a card number. */
export function allowListed(fields: Readonly<Record<string, unknown>>): Record<string, string | number | boolean> {
  const kept: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (!allowed.has(name)) continue
    if (typeof value === 'boolean') kept[name] = value
    else if (typeof value === 'number' || typeof value === 'string') {
      kept[name] = DIGIT_RUN.test(String(value))
        ? '[withheld]'
        : typeof value === 'string'
          ? value.slice(0, VALUE_LENGTH_MAX)
          : value
    }
  }
  return kept
}

/** Name and code of a foreign error, never its message: a message can quote what was being parsed. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { errorName: typeof error }
  const code: unknown = 'code' in error ? error.code : undefined
  return typeof code === 'string' ? { errorName: error.name, errorCode: code } : { errorName: error.name }
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** A logger whose level can be changed while it is used. */
export type LevelledLogger = Logger & { setLevel(level: LogLevel): void }

/** One JSON line per event on standard output (pino), through the allow-list above. */
export function createLogger(options: {
  readonly role: string
  readonly level: LogLevel
  readonly stream?: { write(line: string): void }
}): LevelledLogger {
  const base = {
    level: options.level,
    base: { role: options.role, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
  }
  const sink = options.stream === undefined ? pino(base) : pino(base, options.stream)
  return {
    debug: (fields, text) => sink.debug(allowListed(fields), text),
    info: (fields, text) => sink.info(allowListed(fields), text),
    warn: (fields, text) => sink.warn(allowListed(fields), text),
    error: (fields, text) => sink.error(allowListed(fields), text),
    setLevel: (level) => {
      sink.level = level
    },
  }
}
