import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../../src/main/configuration.ts'
import { networkDiagram } from '../../../src/main/evidence/network-diagram.ts'
import { placesOf, PLAN_HEIGHT, PLAN_WIDTH, ZONE_AREAS } from '../../../src/main/evidence/site-plan.ts'
import { listenAddresses } from '../../../src/main/listen-address.ts'
import { ZONES, type FlowEnd } from '../../../src/main/flows.ts'
import type { Configuration } from '../../../src/wire/configuration.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
const shipped = loaded.configuration

t.test('every port of the configuration is in it', (t) => {
  const svg = networkDiagram(shipped)
  for (const { host, port } of listenAddresses(shipped)) t.ok(svg.includes(`${host}:${port}`), `${host}:${port}`)
  for (const { name } of shipped.guards) t.ok(svg.includes(name))
  t.match(svg, /127\.0\.0\.1:23000-24999/, 'and the range for media')
  t.end()
})

t.test('what protects a connection is what is configured, not what could be', (t) => {
  const words = (configuration: Configuration): string =>
    networkDiagram(configuration)
      .replace(/<[^>]+>\s*/g, ' ')
      .replace(/ +/g, ' ')
  t.match(words(shipped), /HTTP: loopback, or behind a TLS proxy/)
  const [first, ...others] = shipped.trunks
  if (first === undefined) throw new Error('there is a trunk')
  const tls = {
    addresses: [],
    certificate: '',
    key: '',
    authority: null,
    mutual: true,
    wildcards: false,
    revoked: null,
  }
  const secured = words({
    ...shipped,
    trunks: [{ ...first, media: { ...first.media, profile: 'srtp-sdes' } }, ...others],
    sip: { ...shipped.sip, tls },
    desk: { ...shipped.desk, tls: { certificate: '', key: '' } },
  })
  t.match(secured, /carrier → rtpengine: udp [\d.:-]+ \(SRTP, keys in SDP\)/)
  t.match(secured, /browser → desk: tcp [\d.:]+ \(TLS 1\.2 or newer\)/)
  t.match(secured, /TLS 1\.2 or newer on its ports, none on plain TCP/)
  t.end()
})

t.test('names that somebody chose cannot become part of the drawing', (t) => {
  const [first, ...others] = shipped.trunks
  if (first === undefined) throw new Error('there is a trunk')
  const svg = networkDiagram({ ...shipped, trunks: [{ ...first, name: '<script>alert("1")</script>' }, ...others] })
  t.notMatch(svg, /<script/)
  t.end()
})

t.test('every box stands in its zone, and no two in one place', (t) => {
  const ends = Object.keys(ZONES) as FlowEnd[]
  const places = [...placesOf(ends)]
  for (const [end, { x, y, width, height }] of places) {
    const zone = ZONE_AREAS[ZONES[end]]
    t.ok(x >= zone.x && y >= zone.y && x + width <= zone.x + zone.width && y + height <= zone.y + zone.height, end)
    t.ok(x + width <= PLAN_WIDTH && y + height <= PLAN_HEIGHT)
    for (const [other, area] of places) {
      const apart = x + width <= area.x || area.x + area.width <= x || y + height <= area.y || area.y + area.height <= y
      t.ok(other === end || apart, `${end} and ${other}`)
    }
  }
  t.end()
})
