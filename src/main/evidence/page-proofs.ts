import type { Evidence } from './evidence.ts'
import type { Control } from './controls/control.ts'
import type { LeakResults } from './leak-results.ts'
import { code, html, mark, prose, section, table, type Html } from './page-parts.ts'

/** Parts of the page that prove: keys, controls, the attack bench, software. */

export function keySection({ keys, site }: Evidence): Html {
  const provider = html`<p>
    The key-encryption key: ${site.keyProvider === 'file' ? 'a file, for development only' : site.keyProvider}. Data
    keys lie wrapped by it; no key is in this folder.
  </p>`
  if (keys.kind === 'unread') return section('keys', 'Keys', provider, html`<p>${mark(false, keys.text)}</p>`)
  const rows = keys.keys.map((key) => [
    code(key.keyId),
    key.purpose,
    key.algorithm,
    key.merchant,
    key.state,
    key.purpose === 'key-encryption' ? key.provider : code(key.kekId),
    key.createdAt?.slice(0, 10) ?? '',
    key.isOverdue ? mark(false, 'over') : (key.expiresAt?.slice(0, 10) ?? ''),
    key.endedAt?.slice(0, 10) ?? '',
  ])
  return section(
    'keys',
    'Keys',
    provider,
    table({
      caption: 'Keys of the vault, as it told them',
      heads: ['Key', 'For', 'Algorithm', 'Merchant', 'State', 'Wrapped by, or in', 'Made', 'Period ends', 'Retired'],
      widths: [16, 12, 12, 10, 8, 14, 9, 10, 9],
      rows,
    }),
  )
}

export function controlSection({ controls }: Evidence): Html {
  return section(
    'controls',
    'Controls and their proofs',
    html`<p>
      Requirements by their numbers in PCI DSS v4.0.1, with titles in our own words: read the standard for what it asks.
      Each file named is in the source, whose hashes are in sources.sha256; <code>npm test</code> runs the tests.
    </p>`,
    table({
      caption: `${controls.length} requirements`,
      heads: ['Requirement', 'How the product helps', 'Proof', 'Stays with the operator'],
      widths: [22, 30, 24, 24],
      rows: controls.map(controlRow),
    }),
  )
}

function controlRow({ requirement, title, how, proof, operator }: Control): readonly (string | Html)[] {
  return [
    html`${requirement}<br /><span class="quiet">${title}</span>`,
    how === '' ? 'Nothing: it is the operator’s.' : prose(how),
    html`${proof.map((file) => html`<div>${code(file)}</div>`)}`,
    operator === '' ? 'nothing that we know of' : prose(operator),
  ]
}

export function leakSection({ leak }: Evidence): Html {
  if (leak === null)
    return section('leak', 'Attack bench', html`<p>${mark(false, 'This delivery has no results.')}</p>`)
  return section(
    'leak',
    'Attack bench',
    html`<p>${leak.question}</p>`,
    html`<p class="quiet">${leak.method}</p>`,
    table({
      caption: `Goals, measured on ${leak.at.slice(0, 10)}`,
      heads: ['What', 'Goal', 'Measured', ''],
      widths: [40, 16, 34, 10],
      rows: leak.goals.map(({ name, goal, measured, met }) => [
        name,
        goal,
        measured,
        mark(met, met ? 'met' : 'missed'),
      ]),
    }),
    missedScenarios(leak),
    html`<ul>
      ${leak.notes.map((note) => html`<li>${note}</li>`)}
    </ul>`,
  )
}

function missedScenarios({ missed, scenarios }: LeakResults): Html {
  if (missed.length === 0)
    return html`<p>In none of ${scenarios} scenarios was any judge above chance and one point.</p>`
  return table({
    caption: `Missed: ${missed.length} of ${scenarios} scenarios, in which a judge may name more keys than by guessing and one point`,
    heads: ['Scenario', 'Keys', 'Judge', 'At most (99 %)', 'Guessing'],
    widths: [40, 12, 20, 14, 14],
    rows: missed.map(({ name, keys, judge, upper, chance }) => [
      name,
      keys.toLocaleString('en'),
      judge,
      mark(false, percent(upper)),
      percent(chance),
    ]),
  })
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`
}

export function softwareSection({ software, billOfMaterials, sources }: Evidence): Html {
  const bill =
    'missing' in billOfMaterials
      ? mark(false, billOfMaterials.missing)
      : html`${billOfMaterials.components} components are delivered: sbom.cdx.json (CycloneDX). With what only builds
        and tests: sbom-with-development.cdx.json.`
  const { revision } = sources
  const from =
    revision === null
      ? ''
      : ` Commit ${revision.commit}, ${revision.changed === 0 ? 'as it is' : `with ${revision.changed} files changed`}.`
  return section(
    'software',
    'Software',
    html`<p>${bill}</p>`,
    html`<p>
      ${sources.count} files of source in sources.sha256, to compare with <code>sha256sum --check</code>.${from}
    </p>`,
    table({
      caption: 'Programs',
      heads: ['Program', 'Version', 'SHA-256 of its file'],
      widths: [30, 30, 40],
      rows: software.programs.map(({ name, version, sha256 }) => [
        name,
        version ?? 'not found on this machine',
        sha256 === null ? '' : code(sha256),
      ]),
    }),
    table({
      caption: 'Packages that are delivered',
      heads: ['Package', 'Version', 'Licence', 'In processes that see digits', 'Installed'],
      widths: [30, 14, 22, 20, 14],
      rows: software.packages.map(({ name, version, licence, cde, installed }) => [
        name,
        version,
        licence,
        CDE_WORDS[cde],
        mark(installed, installed ? 'as locked' : 'differs'),
      ]),
    }),
  )
}

const CDE_WORDS = { imported: 'imported', needed: 'needed by one that is', no: 'no' } as const
