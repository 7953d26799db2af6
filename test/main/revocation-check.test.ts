import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { adviseOnRevocations, checkRevocations } from '../../src/main/revocation-check.ts'
import type { Configuration } from '../../src/wire/configuration.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'

const authority = new SipAuthority()
type Lists = Pick<Configuration, 'certificates' | 'sip'>

function site(certificates: string | null, sip: string | null, sipAuthority: string | null = '/ca.crt'): Lists {
  const tls = { addresses: [], certificate: '', key: '', authority: sipAuthority, mutual: true, wildcards: false }
  return {
    certificates: { folder: '/certs', development: false, revoked: certificates },
    sip: { tls: { ...tls, revoked: sip } },
  } as unknown as Lists
}

function problems(lists: Lists): readonly string[] {
  const found: string[] = []
  checkRevocations(lists, (path, problem) => found.push(`${path.join('.')}: ${problem}`))
  return found
}

function advice(lists: Lists): readonly string[] {
  const found: string[] = []
  adviseOnRevocations(lists, Date.now(), (path, problem) => found.push(`${path.join('.')}: ${problem}`))
  return found
}

t.test('a list that is missing, cannot be read or is none is named, with its key', (t) => {
  const folder = t.testdir({ list: authority.revocations([]), broken: 'no list', long: { inside: '' } })
  const [list, broken, unreadable] = ['list', 'broken', 'long'].map((name) => join(folder, name))
  if (list === undefined || broken === undefined || unreadable === undefined) throw new Error('no files')
  t.same(problems(site(null, null)), [])
  t.same(problems(site(list, list)), [])
  const missing = join(folder, 'nowhere')
  t.same(problems(site(missing, missing)), [
    'certificates.revoked: there is no such file',
    'sip.tls.revoked: there is no such file',
  ])
  t.same(problems(site(unreadable, null)), ['certificates.revoked: cannot be read'], 'a folder in its place')
  t.same(problems(site(null, broken)), ['sip.tls.revoked: holds no list of revoked certificates (CRL, PEM)'])
  t.same(problems(site(null, list, null)), ['sip.tls.revoked: is of no authority'])
  t.same(problems({ ...site(list, null), sip: { tls: null } } as unknown as Lists), [])
  t.end()
})

t.test('a list whose nextUpdate is over is advised on, and keeps no site from starting', (t) => {
  const folder = t.testdir()
  const [good, over] = [join(folder, 'good'), join(folder, 'over')]
  writeFileSync(good, authority.revocations([]))
  writeFileSync(over, authority.revocations([], { endsInMs: -60_000 }))
  t.same(advice(site(good, good)), [])
  t.same(advice(site(join(folder, 'nowhere'), null)), [])
  t.same(advice(site(over, over)), [
    'certificates.revoked: its nextUpdate is over: everybody is refused',
    'sip.tls.revoked: its nextUpdate is over: everybody is refused',
  ])
  t.same(problems(site(over, over)), [])
  t.end()
})
