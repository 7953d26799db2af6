import { RevocationList } from '../kit/revocation.ts'
import type { Configuration } from '../wire/configuration.ts'
import type { Report } from './configuration-check.ts'
import { isMissing } from './missing-file.ts'

type Lists = Pick<Configuration, 'certificates' | 'sip'>

/** A list of revoked certificates must be there and be one: a process that needs it does not start without. */
export function checkRevocations(configuration: Lists, report: Report): void {
  for (const { path, file } of namedLists(configuration)) {
    if (isMissing(file)) report(path, 'there is no such file', HAVE_IT_WRITTEN)
    else if (isForOthers(file)) continue
    else {
      const list = read(file)
      if (list === 'unreadable') report(path, 'cannot be read', 'let the processes read it: chmod 0644')
      if (list === 'no_list') report(path, 'holds no list of revoked certificates (CRL, PEM)', HAVE_IT_WRITTEN)
    }
  }
  const { tls } = configuration.sip
  if (tls !== null && tls.revoked !== null && tls.authority === null) {
    report(
      ['sip', 'tls', 'revoked'],
      'is of no authority',
      'name sip.tls.authority: a list for each of its authorities',
    )
  }
}

/** Nobody is let in by a list whose time is over. That keeps no site from starting: what goes without TLS goes on. */
export function adviseOnRevocations(configuration: Lists, nowMs: number, advise: Report): void {
  for (const { path, file } of namedLists(configuration)) {
    if (isMissing(file) || isForOthers(file)) continue
    const list = read(file)
    if (typeof list === 'string' || list.nextUpdateMs === null || list.nextUpdateMs > nowMs) continue
    advise(path, 'its nextUpdate is over: everybody is refused', HAVE_IT_WRITTEN)
  }
}

const HAVE_IT_WRITTEN = 'have your authority write it: openssl ca -gencrl'

function namedLists({ certificates, sip }: Lists) {
  const lists = [
    { path: ['certificates', 'revoked'], file: certificates.revoked },
    { path: ['sip', 'tls', 'revoked'], file: sip.tls?.revoked ?? null },
  ]
  return lists.flatMap(({ path, file }) => (file === null ? [] : [{ path, file }]))
}

/** A role may read its own files only; whoever started it has looked before. */
function isForOthers(file: string): boolean {
  // Without --permission there is no such object, whatever the types say.
  const permission = process.permission as typeof process.permission | undefined
  return permission?.has('fs.read', file) === false
}

function read(file: string): RevocationList | 'unreadable' | 'no_list' {
  try {
    return new RevocationList(file)
  } catch (error) {
    return error instanceof TypeError ? 'no_list' : 'unreadable'
  }
}
