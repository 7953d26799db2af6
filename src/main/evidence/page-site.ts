import { hostPortText } from '../../kit/host-text.ts'
import type { Evidence } from './evidence.ts'
import type { PortRow } from './listening-ports.ts'
import type { RunningProcess } from './process-inventory.ts'
import { html, mark, section, table, type Html } from './page-parts.ts'

/** Parts of the page that say how a site is: processes, ports, TLS, certificates. */

export function processSection({ processes, machine }: Evidence): Html {
  const rows = processes.map(({ name, role, running }) =>
    running === null
      ? [name, role, mark(false, 'not seen'), '', '', '']
      : [name, role, running.user, running.startedAt ?? 'unknown', hardening(running), memory(running)],
  )
  return section(
    'processes',
    'Processes',
    table({
      caption: `Processes of the configuration, as seen on ${machine}`,
      heads: ['Name', 'Role', 'User', 'Since (UTC)', 'Rights', 'Memory'],
      widths: [12, 10, 12, 20, 26, 20],
      rows,
    }),
  )
}

function hardening({ noNewPrivileges, capabilities, permissionModel, inspectorShut, seccomp }: RunningProcess): string {
  const none = capabilities !== null && /^0+$/.test(capabilities)
  return [
    capabilities === null ? 'capabilities unknown' : none ? 'no capabilities' : `capabilities ${capabilities}`,
    ...(noNewPrivileges === true ? ['no new privileges'] : []),
    ...(permissionModel === true ? ['Node’s permission model'] : []),
    ...(inspectorShut === true ? ['inspector shut'] : []),
    ...(seccomp === true ? ['seccomp'] : []),
  ].join(', ')
}

function memory({ coreBytesMax, lockedKiB }: RunningProcess): string {
  const core = coreBytesMax === null ? 'core files unknown' : coreBytesMax === 0 ? 'no core files' : 'core files'
  return lockedKiB === null || lockedKiB === 0 ? core : `${core}, ${lockedKiB} KiB locked`
}

const PORT_STATES: Readonly<Record<PortRow['state'], string>> = {
  held: 'listens',
  'held-unseen': 'listens; by whom, this user may not see',
  'held-by-other': 'held by another process',
  silent: 'nobody listens',
  'other-machine': 'on another machine',
}
const USES = { media: 'media of calls or windows', sending: 'sends, and hears answers', unknown: 'unknown' } as const

export function portSection({ ports, flows }: Evidence): Html {
  const declared = ports.declared.map(({ process, transport, host, port, key, state }) => [
    hostPortText({ host, port }),
    transport,
    process,
    key,
    mark(state === 'held' || state === 'held-unseen' || state === 'other-machine', PORT_STATES[state]),
  ])
  // A window has some ports for its seconds: a thousand calls would fill a book.
  const counted = new Map<string, { readonly row: readonly string[]; count: number }>()
  for (const { process, transport, host, port, use } of ports.undeclared) {
    const isOne = use === 'unknown'
    const place = isOne ? hostPortText({ host, port }) : host
    const key = [process, transport, place, use].join(' ')
    const entry = counted.get(key) ?? { row: [place, transport, process, USES[use]], count: 0 }
    counted.set(key, { ...entry, count: entry.count + 1 })
  }
  const others = [...counted.values()].map(({ row, count }) => [...row, String(count)])
  return section(
    'ports',
    'Ports',
    table({
      caption: 'Ports that the configuration declares, and what listens',
      heads: ['Address', 'Transport', 'Process', 'Key', 'Found'],
      widths: [24, 10, 14, 28, 24],
      rows: declared,
    }),
    others.length === 0
      ? html`<p>No process of the site holds any other socket that waits for peers.</p>`
      : table({
          caption: 'Other sockets of these processes that wait for peers',
          heads: ['Address', 'Transport', 'Process', 'Use', 'Count'],
          widths: [24, 10, 14, 38, 14],
          rows: others,
        }),
    table({
      caption: 'Flows: who connects to whom, why, and how it is protected',
      heads: ['From', 'To', 'Carries', 'Protection', 'Card digits'],
      widths: [14, 14, 34, 26, 12],
      rows: flows.map(({ from, to, transport, carries, protection, digits }) => [
        from,
        `${to} (${transport})`,
        carries,
        protection,
        digits ? 'yes' : 'no',
      ]),
    }),
  )
}

export function tlsSection({ tls }: Evidence): Html {
  if (tls === null) return section('tls', 'TLS in force', html`<p>No port was asked (--no-handshakes).</p>`)
  const rows = tls.map(({ name, host, port, versions, refusesStrangers }) => {
    const taken = versions.filter(({ suites }) => suites.length > 0)
    const refused = versions.filter(({ suites }) => suites.length === 0).map(({ version }) => version)
    return [
      html`${name}<br />${hostPortText({ host, port })}`,
      taken.length === 0
        ? mark(false, 'no handshake')
        : html`${taken.map(({ version, suites }) => html`<div>${version}: ${suites.join(', ')}</div>`)}`,
      taken.length === 0 ? '' : refused.join(', '),
      refusesStrangers === null
        ? 'no certificate is asked for'
        : mark(refusesStrangers, refusesStrangers ? 'turned away' : 'let in'),
    ]
  })
  return section(
    'tls',
    'TLS in force',
    html`<p>
      Found by shaking hands with each port, once for each version and suite, without a certificate. Each try is a
      refusal in the port’s own counter and record.
    </p>`,
    table({
      caption: 'Versions and cipher suites that each port takes',
      heads: ['Port', 'Takes', 'Refuses', 'Without a certificate'],
      widths: [18, 46, 18, 18],
      rows,
    }),
  )
}

export function certificateSection({ certificates }: Evidence): Html {
  return section(
    'certificates',
    'Certificates',
    table({
      caption: 'Certificates that the configuration names',
      heads: ['For', 'Subject and names', 'Signed by', 'Ends (UTC)', 'Key', 'SHA-256'],
      widths: [17, 22, 17, 14, 12, 18],
      rows: certificates.map(({ role, file, certificate, problem, keyMode }) =>
        certificate === null
          ? [html`${role}<br /><code>${file}</code>`, mark(false, problem ?? ''), '', '', '', '']
          : [
              html`${role}<br /><code>${file}</code>`,
              [certificate.subject, certificate.names].filter((text) => text !== '').join(', '),
              certificate.selfSigned ? 'itself' : certificate.issuer,
              html`${certificate.notAfter.slice(0, 10)}<br />${mark(certificate.daysLeft >= 30, `${certificate.daysLeft} days`)}`,
              keyMode === null ? certificate.key : `${certificate.key}, file ${keyMode}`,
              html`<code>${certificate.sha256}</code>`,
            ],
      ),
    }),
  )
}
