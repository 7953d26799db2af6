import { join } from 'node:path'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { CHECKOUT } from './tracked-files.ts'

export type Panel = {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource?: { readonly uid: string }
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[]
}
export type Dashboard = { readonly uid: string; readonly schemaVersion: number; readonly panels: readonly Panel[] }

export type Alert = {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly description: string }
}
type Rules = { readonly groups: readonly { readonly rules: readonly Alert[] }[] }

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(join(CHECKOUT, 'deploy/grafana/tonewall.json'), 'utf8')) as Dashboard
}

export function readAlerts(): readonly Alert[] {
  const text = readFileSync(join(CHECKOUT, 'deploy/prometheus/tonewall-alerts.yml'), 'utf8')
  return (parse(text) as Rules).groups.flatMap(({ rules }) => rules)
}

/** The metrics that dashboard and alerts ask for, as they are declared: a histogram without the ending of its parts. */
export function askedMetrics(): readonly string[] {
  const expressions = [...readDashboard().panels.flatMap(({ targets }) => targets ?? []), ...readAlerts()].map(
    ({ expr }) => expr,
  )
  const names = expressions.flatMap((expression) => expression.match(/\b(?:tonewall|process|nodejs)_\w+/g) ?? [])
  return [...new Set(names.map((name) => name.replace(/_(?:bucket|sum|count)$/, '')))].sort()
}
