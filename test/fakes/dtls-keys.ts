import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createHash, X509Certificate } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** openssl says it within milliseconds; rtpengine repeats a lost first flight after a second. */
const HANDSHAKE_MS_MAX = 8_000
/** RFC 5764 section 4.2: two keys of 16 octets, then two salts of 14. */
const EXPORTED_OCTETS = 60

export type DtlsCertificate = { readonly folder: string; readonly fingerprint: string; close(): void }
/** The master keys and salts of a DTLS-SRTP association, as SrtpStream takes them. */
export type DtlsKeys = { readonly in: Buffer; readonly out: Buffer }

export function dtlsCertificate(): DtlsCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-dtls-'))
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')]
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=phone',
  ]
  execFileSync('openssl', ['req', '-x509', ...key, ...files], { stdio: 'ignore' })
  const { raw } = new X509Certificate(readFileSync(join(folder, 'certificate.pem')))
  const digest = createHash('sha256').update(raw).digest('hex').toUpperCase()
  return {
    folder,
    fingerprint: digest.match(/../g)?.join(':') ?? '',
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/**
 * One DTLS handshake of openssl's on a port of loopback, as server or as client, and the SRTP keys that come of it. openssl
 * is killed then, so that it says no goodbye: the association lives on, and the port is free for the media.
 */
export async function dtlsKeys(options: {
  readonly certificate: DtlsCertificate
  readonly port: number
  /** Null: the other side begins. */
  readonly connectTo: number | null
  readonly withinMs?: number
}): Promise<DtlsKeys> {
  const { certificate, port, connectTo } = options
  const own = `127.0.0.1:${port}`
  const role =
    connectTo === null
      ? ['s_server', '-accept', own, '-verify', '1', '-naccept', '1']
      : ['s_client', '-connect', `127.0.0.1:${connectTo}`, '-bind', own]
  const child = spawn(
    'openssl',
    [
      ...role,
      '-dtls1_2',
      ...['-cert', join(certificate.folder, 'certificate.pem'), '-key', join(certificate.folder, 'key.pem')],
      ...['-use_srtp', 'SRTP_AES128_CM_SHA1_80'],
      ...['-keymatexport', 'EXTRACTOR-dtls_srtp', '-keymatexportlen', String(EXPORTED_OCTETS)],
    ],
    { stdio: ['pipe', 'pipe', 'ignore'] },
  )
  const exited = once(child, 'exit')
  let said = ''
  const exported = new Promise<Buffer>((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error('no DTLS handshake')), options.withinMs ?? HANDSHAKE_MS_MAX)
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      const hex = /Keying material: ([0-9A-F]{120})/.exec(said)?.[1]
      if (hex === undefined) return
      clearTimeout(deadline)
      resolve(Buffer.from(hex, 'hex'))
    })
  })
  try {
    const material = await exported
    const client = Buffer.concat([material.subarray(0, 16), material.subarray(32, 46)])
    const server = Buffer.concat([material.subarray(16, 32), material.subarray(46, 60)])
    return connectTo === null ? { in: client, out: server } : { in: server, out: client }
  } finally {
    child.kill('SIGKILL')
    await exited
  }
}
