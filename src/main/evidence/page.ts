import type { Evidence } from './evidence.ts'
import type { Finding } from './findings.ts'
import { controlSection, keySection, leakSection, softwareSection } from './page-proofs.ts'
import { certificateSection, portSection, processSection, tlsSection } from './page-site.ts'
import { code, html, mark, PAGE_STYLE, section, type Html } from './page-parts.ts'

export type Drawings = { readonly dataFlow: string; readonly network: string }

const SECTIONS: readonly (readonly [id: string, title: string])[] = [
  ['findings', 'What stands out'],
  ['data-flow', 'Data flow'],
  ['network', 'Network'],
  ['processes', 'Processes'],
  ['ports', 'Ports'],
  ['tls', 'TLS in force'],
  ['certificates', 'Certificates'],
  ['keys', 'Keys'],
  ['controls', 'Controls and their proofs'],
  ['leak', 'Attack bench'],
  ['software', 'Software'],
]

/** index.html: one file, no script, nothing loaded from elsewhere. */
export function evidencePage(evidence: Evidence, findings: readonly Finding[], drawings: Drawings): string {
  const body = html`<header>
      <h1>Tonewall: evidence for an assessor</h1>
      <p class="quiet">
        What this installation is and does, as found by <code>tonewall evidence</code>. It is material for an assessment
        of PCI DSS v4.0.1, and no assessment.
      </p>
      ${facts(evidence)}
    </header>
    <nav aria-label="Sections">
      <ul>
        ${SECTIONS.map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}
      </ul>
    </nav>
    <main>
      ${findingSection(findings)}
      ${drawing('data-flow', 'Data flow', 'Drawn from the configuration. Alone in data-flow.svg.', drawings.dataFlow)}
      ${drawing('network', 'Network', 'Drawn from the configuration. Alone in network.svg.', drawings.network)}
      ${processSection(evidence)} ${portSection(evidence)} ${tlsSection(evidence)} ${certificateSection(evidence)}
      ${keySection(evidence)} ${controlSection(evidence)} ${leakSection(evidence)} ${softwareSection(evidence)}
    </main>`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Tonewall: evidence for an assessor</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
${body.html}
</body>
</html>
`
}

function facts({ at, version, machine, drawnFrom, site, sources }: Evidence): Html {
  const { revision } = sources
  const origin =
    drawnFrom.source === 'running'
      ? mark(true, 'the configuration that runs, as the sbc said over mutual TLS')
      : mark(false, 'a file: no site was running')
  return html`<dl class="facts">
    <dt>At</dt>
    <dd>${at} (UTC), on ${machine}</dd>
    <dt>Release</dt>
    <dd>
      Tonewall ${version}${revision === null ? '' : html`, commit ${code(revision.commit.slice(0, 12))}`}, sources
      ${code(sources.sha256)}
    </dd>
    <dt>Drawn from</dt>
    <dd>${origin}</dd>
    <dt>Cards are taken for</dt>
    <dd>${site.merchants.join(', ')}${site.development ? ' (a development site)' : ''}</dd>
    <dt>Cards are in</dt>
    <dd>
      ${site.store === 'sqlite' ? 'SQLite, a file of the vault' : 'PostgreSQL'}; key-encryption key:
      ${site.keyProvider}; ${site.acquirer ? 'payments go to an acquirer' : 'no acquirer is named'}
    </dd>
    <dt>Signed</dt>
    <dd>
      SHA256SUMS lists every file of this folder; SHA256SUMS.sig is its Ed25519 signature. Check it with
      <code>tonewall evidence verify --key KEY FOLDER</code>.
    </dd>
  </dl>`
}

function findingSection(findings: readonly Finding[]): Html {
  const list = html`<ol class="findings">
    ${findings.map(({ what, cure }) => html`<li>${what} <span class="quiet">${cure}</span></li>`)}
  </ol>`
  const none = html`<p>Nothing that this program looks for.</p>`
  return section('findings', 'What stands out', findings.length === 0 ? none : list)
}

function drawing(id: string, title: string, text: string, svg: string): Html {
  return section(id, title, html`<p class="quiet">${text}</p>`, html`<figure>${{ html: svg }}</figure>`)
}
