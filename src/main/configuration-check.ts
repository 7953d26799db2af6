import { isIP } from 'node:net'
import { resolve, sep } from 'node:path'
import type { ConfigurationProblem, KeyPath, ProblemAt } from '../kit/configuration-file.ts'
import type { Configuration } from '../wire/configuration.ts'
import { collide, listenAddresses } from './listen-address.ts'
import { checkAudit } from './audit-configuration-check.ts'
import { checkKeys, checkWrittenKeys } from './key-configuration-check.ts'
import { checkCallMerchants } from './call-merchant-check.ts'
import { isMissing } from './missing-file.ts'
import { checkRevocations } from './revocation-check.ts'
import { checkRoutes, checkTrunks } from './trunk-configuration-check.ts'
import { checkVaultApi } from './vault-api-check.ts'

/** An rtpengine takes four ports a call: RTP and RTCP on either side, and four more while a window is open. */
const MEDIA_PORTS_MIN = 8

/** What deserves better words than the schema has. */
export function checkBeforeSchema(value: unknown, problemAt: ProblemAt): readonly ConfigurationProblem[] {
  const problems: ConfigurationProblem[] = []
  listOf(value, 'forms').forEach((form, index) => {
    const { fields } = form as { readonly fields?: unknown }
    if (!Array.isArray(fields)) return
    fields.forEach((field: unknown, at) => {
      if (typeof field !== 'string' || !/(^|[^a-z])pin([^a-z]|$)/i.test(field)) return
      problems.push(
        problemAt(['forms', index, 'fields', at], {
          problem: 'a card PIN cannot be captured',
          cure: 'take it out: a PIN may only be typed into approved PIN entry devices (PCI PIN Security), and no payment by telephone needs one',
        }),
      )
    })
  })
  listOf(value, 'trunks').forEach((trunk, index) => {
    if (typeof trunk !== 'object' || trunk === null || 'target' in trunk !== 'targets' in trunk) return
    problems.push(
      problemAt(['trunks', index], {
        problem: 'target' in trunk ? 'has both target and targets' : 'says nowhere to send calls to',
        cure: 'write target, such as { host: 192.0.2.1, port: 5060 }, or targets with several',
      }),
    )
  })
  const desk = (value as { readonly desk?: unknown } | null)?.desk
  listOf(desk, 'agents').forEach((agent, index) => {
    if (typeof agent !== 'object' || agent === null || !('token' in agent)) return
    problems.push(
      problemAt(['desk', 'agents', index, 'token'], {
        problem: 'a token does not belong into the configuration',
        cure: 'put it on the first line of a file with mode 0600 and name that with tokenFile',
      }),
    )
  })
  problems.push(...checkWrittenKeys(value, problemAt))
  return problems
}

/** What a schema cannot say: names that must exist, ports that must differ, addresses that must be addresses. */
export function checkConfiguration(
  configuration: Configuration,
  problemAt: ProblemAt,
): readonly ConfigurationProblem[] {
  const problems: ConfigurationProblem[] = []
  const report: Report = (path, problem, cure) => {
    problems.push(problemAt(path, { problem, cure }))
  }
  checkNames(configuration, report)
  checkUsers(configuration, report)
  checkTrunks(configuration, report)
  checkRoutes(configuration, report)
  checkCallMerchants(configuration, report)
  checkMedia(configuration, report)
  checkPorts(configuration, report)
  checkForms(configuration, report)
  checkFiles(configuration, report)
  checkStore(configuration.vault, report)
  checkKeys(configuration.vault.keys, report)
  checkAudit(configuration.audit, report)
  checkVaultApi(configuration, report)
  return problems
}

/** Notes one problem of the key at `path`. */
export type Report = (path: KeyPath, problem: string, cure: string) => void

function checkNames(configuration: Configuration, report: Report): void {
  const lists = {
    trunks: configuration.trunks,
    forms: configuration.forms,
    'desk.agents': configuration.desk.agents,
  }
  for (const [key, list] of Object.entries(lists)) {
    list.forEach((item, index) => {
      if (list.findIndex((other) => other.name === item.name) === index) return
      report([...key.split('.'), index, 'name'], 'this name is taken already', 'give each its own name')
    })
  }
  const taken = new Set(['sipd', 'sbc', 'vault', 'desk'])
  for (const key of ['rtpengines', 'guards'] as const) {
    configuration[key].forEach((item, index) => {
      if (taken.has(item.name)) {
        report([key, index, 'name'], 'this name is taken by another process', 'give each process its own name')
      }
      taken.add(item.name)
    })
  }
}

/** What two processes may do together, one that is taken over may do alone. */
function checkUsers({ users }: Configuration, report: Report): void {
  const taken = new Map<string, string>()
  for (const [name, user] of Object.entries(users ?? {})) {
    const other = taken.get(user)
    if (user === 'root') report(['users', name], 'is root', 'make a user for it, such as with adduser --system')
    else if (other !== undefined) report(['users', name], `is the user of ${other}, too`, 'make a user for each')
    taken.set(user, name)
  }
}

function checkMedia(configuration: Configuration, report: Report): void {
  const names = configuration.rtpengines.map((rtpengine) => rtpengine.name)
  configuration.rtpengines.forEach((rtpengine, index) => {
    if (isIP(rtpengine.host) === 0) report(['rtpengines', index, 'host'], ...NOT_AN_ADDRESS)
    const { start } = rtpengine
    if (start === null) return
    if (start.portMax - start.portMin + 1 < MEDIA_PORTS_MIN) {
      report(
        ['rtpengines', index, 'start', 'portMax'],
        'leaves too few media ports',
        'a call takes eight while a window is open',
      )
    }
    const overlaps = configuration.rtpengines
      .slice(0, index)
      .some(
        ({ start: other }) =>
          other?.interface === start.interface && other.portMin <= start.portMax && start.portMin <= other.portMax,
      )
    if (overlaps) {
      report(
        ['rtpengines', index, 'start', 'portMin'],
        'overlaps the media ports of another rtpengine',
        'divide the range',
      )
    }
  })
  configuration.guards.forEach((guard, index) => {
    if (!names.includes(guard.rtpengine)) {
      report(['guards', index, 'rtpengine'], 'no rtpengine has this name', `use one of: ${names.join(', ')}`)
    }
    for (const key of ['host', 'media'] as const) {
      if (isIP(guard[key]) === 0) report(['guards', index, key], ...NOT_AN_ADDRESS)
    }
  })
}

const NOT_AN_ADDRESS = ['is not an IP address', 'write it like 192.0.2.1 or 2001:db8::1'] as const

function checkPorts(configuration: Configuration, report: Report): void {
  const addresses = listenAddresses(configuration)
  addresses.forEach((address, index) => {
    const other = addresses.slice(0, index).find((earlier) => collide(earlier, address))
    if (other !== undefined) {
      report(address.path, `port ${address.port} is taken by ${other.process} already`, 'give each its own port')
    }
    if (isIP(address.host) === 0) report([...address.path.slice(0, -1), 'host'], ...NOT_AN_ADDRESS)
  })
  const { udp, tcp, tls, server } = configuration.sip
  if (
    server === 'drachtio' &&
    [...udp, ...tcp, ...(tls?.addresses ?? [])].some(({ advertise }) => advertise !== undefined)
  ) {
    report(
      ['sip', 'server'],
      'a drachtio-server decides itself what it shows to peers',
      'take advertise out, and configure external-ip there',
    )
  }
  if (udp.length + tcp.length + (tls?.addresses.length ?? 0) === 0) {
    report(['sip', 'udp'], 'there is no address for SIP', 'name one under udp, tcp or tls')
  }
}

function checkForms(configuration: Configuration, report: Report): void {
  configuration.forms.forEach((form, index) => {
    if (form.fields.includes('card-number')) return
    report(['forms', index, 'fields'], 'has no card number', 'a token stands for a card number: add card-number')
  })
}

/** Secrets are made when missing, but only below the data folder; nobody wants them made somewhere else. */
function checkFiles(configuration: Configuration, report: Report): void {
  const mustExist = (file: string, path: KeyPath): void => {
    if (isBelow(configuration.dataFolder, file) || !isMissing(file)) return
    report(path, 'there is no such file', 'make it, or leave the key out to have one made in the data folder')
  }
  mustExist(configuration.sip.secretFile, ['sip', 'secretFile'])
  configuration.desk.agents.forEach((agent, index) => {
    mustExist(agent.tokenFile, ['desk', 'agents', index, 'tokenFile'])
  })
  const { tls } = configuration.desk
  for (const key of ['certificate', 'key'] as const) {
    if (tls !== null && isMissing(tls[key])) {
      report(['desk', 'tls', key], 'there is no such file', 'name a PEM file, or write tls: null')
    }
  }
  const { tls: sipTls } = configuration.sip
  for (const key of ['certificate', 'key', 'authority'] as const) {
    const name = sipTls?.[key] ?? null
    if (name !== null && isMissing(name)) {
      report(['sip', 'tls', key], 'there is no such file', 'name a PEM file, or write tls: null')
    }
  }
  checkRevocations(configuration, report)
  const { folder, development } = configuration.certificates
  if (!development && isMissing(folder)) {
    report(['certificates', 'folder'], 'there is no such folder', 'name the certificates, or say development: true')
  }
}

/** Sealed cards and tokens cross the network under TLS only (PCI DSS 4.2.1 for the card, 8.3.2 for the password). */
function checkStore({ store, postgresql }: Configuration['vault'], report: Report): void {
  if (store === 'postgresql' && postgresql === null) {
    report(['vault', 'store'], 'says no database', 'write vault.postgresql, with its host')
  }
  if (postgresql === null) return
  const { passwordFile, tls } = postgresql
  const isHere = [postgresql, ...postgresql.standbys].every(({ host }) => /^(\/|127\.|::1$|localhost$)/.test(host))
  if (tls === null && !isHere) {
    report(
      ['vault', 'postgresql', 'host'],
      'is on another machine, and there is no TLS',
      'write tls, with its authority',
    )
  }
  if (passwordFile !== null && isMissing(passwordFile)) {
    report(['vault', 'postgresql', 'passwordFile'], 'there is no such file', 'put the password on its first line')
  }
  for (const key of ['authority', 'certificate', 'key'] as const) {
    const name = tls?.[key] ?? null
    if (name !== null && isMissing(name)) {
      report(['vault', 'postgresql', 'tls', key], 'there is no such file', 'name a PEM file')
    }
  }
}

export function isBelow(folder: string, file: string): boolean {
  return resolve(file).startsWith(resolve(folder) + sep)
}

function listOf(value: unknown, key: string): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return []
  const list = (value as Readonly<Record<string, unknown>>)[key]
  return Array.isArray(list) ? list : []
}
