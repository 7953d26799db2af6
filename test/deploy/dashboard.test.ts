import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { askedMetrics, readAlerts, readDashboard } from '../fakes/deployed-metrics.ts'
import { CHECKOUT } from '../fakes/tracked-files.ts'

t.test('the dashboard’s panels have a place, a number and a name of their own', (t) => {
  const { panels, uid, schemaVersion } = readDashboard()
  t.equal(uid, 'tonewall')
  t.ok(schemaVersion >= 36)
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  t.equal(new Set(panels.map(({ title }) => title)).size, panels.length)
  const taken = new Set<string>()
  for (const { title, gridPos } of panels) {
    t.ok(gridPos.x + gridPos.w <= 24, title)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        const place = `${x} ${y}`
        if (taken.has(place)) t.fail(`${title} lies on another panel`)
        taken.add(place)
      }
  }
  t.end()
})

t.test('every panel asks the data source that the reader chose', (t) => {
  for (const { title, type, datasource, targets } of readDashboard().panels.filter(({ type }) => type !== 'row')) {
    t.equal(datasource?.uid, '${datasource}', title)
    t.match(type, /^(stat|timeseries)$/)
    t.ok((targets ?? []).length > 0)
  }
  t.end()
})

t.test('every alert has a severity, and says what is wrong and what it asks of the reader', (t) => {
  const alerts = readAlerts()
  t.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length)
  for (const { alert, labels, annotations } of alerts) {
    t.match(alert, /^Tonewall[A-Z]\w+$/)
    t.match(labels.severity, /^(critical|warning)$/)
    t.ok(annotations.summary.length > 10 && annotations.description.length > 10, alert)
  }
  t.ok(askedMetrics().includes('tonewall_guard_masking_failed_total'))
  t.end()
})

t.test('Prometheus scrapes the ports of the shipped configuration', (t) => {
  type Scraping = {
    readonly scrape_configs: readonly [{ readonly static_configs: readonly [{ readonly targets: readonly string[] }] }]
  }
  const scraping = parse(readFileSync(join(CHECKOUT, 'deploy/prometheus/tonewall.yml'), 'utf8')) as Scraping
  const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
  if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
  const { metrics, guards } = loaded.configuration
  const ports = [...Object.values(metrics.ports), ...guards.map(({ metricsPort }) => metricsPort)]
  t.same(
    [...scraping.scrape_configs[0].static_configs[0].targets].sort(),
    ports.map((port) => `${metrics.host}:${port}`).sort(),
  )
  t.end()
})
