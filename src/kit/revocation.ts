import { readFileSync, statSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { errorFields, type Logger } from './log.ts'
import { parseRevocations, type Revocations } from './revocation-parser.ts'

/** A certificate that was stolen is refused this long after its list was put in place. One look at the file costs nothing. */
const LOOK_EVERY_MS = 2_000
/** A list of a hundred thousand certificates has about four megabytes. */
const FILE_BYTES_MAX = 16_777_216

/**
 * Certificates that the authority has taken back: a CRL (RFC 5280 section 5), PEM, in a file that is read again whenever it changes.
 * Node checks each handshake against it, and refuses everybody once the list's own time is over. What is open already is for
 * those who watch. A new file that cannot be read leaves the list as it was.
 */
export class RevocationList {
  readonly #file: string
  readonly #watchers = new Set<() => void>()
  #list: Revocations
  #seen: string
  #logger: Logger | null = null
  #looking: NodeJS.Timeout | null = null

  /** Throws the system's error for a file that cannot be read, and a TypeError for one that holds no list. */
  constructor(file: string) {
    this.#file = file
    this.#seen = versionOf(file)
    this.#list = read(file)
  }

  /** For the `crl` of a TLS context. */
  get pem(): Buffer {
    return this.#list.pem
  }

  /** When its time is over, in milliseconds since 1970; null when it does not say. */
  get nextUpdateMs(): number | null {
    return this.#list.nextUpdateMs
  }

  /** `serial`: as Node tells it, in hexadecimal. */
  isRevoked(serial: string): boolean {
    return this.#list.serials.has(plainSerial(serial))
  }

  /** Tells each time that the list has changed, until the returned function is called. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed)
    return () => this.#watchers.delete(changed)
  }

  /** Looks at the file from now on. Nothing waits for it: the process may end. */
  follow(logger: Logger): void {
    this.#logger = logger
    this.#looking ??= setInterval(() => this.look(), LOOK_EVERY_MS)
    this.#looking.unref()
  }

  /** Reads the file again if it has changed. */
  look(): void {
    try {
      const seen = versionOf(this.#file)
      if (seen === this.#seen) return
      // Once: a file that cannot be used is told of once, and not looked at again until it changes.
      this.#seen = seen
      this.#list = read(this.#file)
    } catch (error) {
      this.#logger?.error(
        { code: 'revocations_unreadable', ...errorFields(error) },
        'a list of revoked certificates cannot be used',
      )
      return
    }
    this.#logger?.info({ count: this.#list.serials.size }, 'the list of revoked certificates was read again')
    for (const changed of [...this.#watchers]) changed()
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#looking !== null) clearInterval(this.#looking)
    this.#watchers.clear()
  }
}

/** Without leading zeros, in small letters: authorities and Node write them differently. */
export function plainSerial(serial: string): string {
  return serial.toLowerCase().replace(/^0+(?=.)/, '')
}

function read(file: string): Revocations {
  if (statSync(file).size > FILE_BYTES_MAX) throw new TypeError('the list of revoked certificates is too long')
  const list = parseRevocations(readFileSync(file))
  if (list === null) throw new TypeError('there is no list of revoked certificates in the file')
  try {
    // Who uses the list makes contexts with it: one that OpenSSL does not take must not end a process that runs.
    createSecureContext({ crl: list.pem })
  } catch {
    throw new TypeError('OpenSSL does not take the list of revoked certificates')
  }
  return list
}

function versionOf(file: string): string {
  const { ino, size, mtimeMs, ctimeMs } = statSync(file)
  return [ino, size, mtimeMs, ctimeMs].join(' ')
}
