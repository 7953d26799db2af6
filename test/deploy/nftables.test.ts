import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { FLOWS, ZONES } from '../../src/main/flows.ts'
import { ZoneNetwork } from '../fakes/zone-network.ts'

const FOLDER = resolve(import.meta.dirname, '../../deploy/nftables')
const rules = readFileSync(join(FOLDER, 'tonewall.nft'), 'utf8')
const counters = [...rules.matchAll(/^ {2}counter (\w+) \{ \}$/gm)].map(([, name]) => name ?? '')
/** The interface of each zone, as the rules name it. */
const INTERFACES = {
  carrier: 'CARRIER',
  edge: 'EDGE',
  cde: 'CDE',
  'contact-centre': 'CONTACT_CENTRE',
  management: 'MANAGEMENT',
} as const

/** Flows that cross the wall: the acquirer may be anywhere, and operators sit with the management or at the edge itself. */
const crossing = FLOWS.filter(({ from, to }) => ZONES[from] !== ZONES[to] || from === 'operator')

t.test('each flow between two zones has a rule that counts it under its name', (t) => {
  for (const { name, from, to } of crossing) {
    const counter = name.replaceAll('-', '_')
    const lines = rules.split('\n').filter((line) => line.includes(`counter name ${counter} accept`))
    const [begins, answers] = [ZONES[from], ZONES[to]]
    const isIn = (zone: keyof typeof INTERFACES) => (line: string) => line.includes(`iifname $${INTERFACES[zone]} `)
    const source = from === 'operator' ? 'management' : begins
    t.ok(lines.some(isIn(source)), `${name} begins in the zone ${source}`)
    if (to !== 'acquirer')
      t.ok(
        lines.some((line) => line.includes(`oifname $${INTERFACES[answers]} `)),
        `${name} ends in the zone ${answers}`,
      )
  }
  t.end()
})

t.test('no rule accepts what is no flow', (t) => {
  const accepted = [...rules.matchAll(/counter name (\w+) accept$/gm)].map(([, name]) => name ?? '')
  const names = crossing.map(({ name }) => name.replaceAll('-', '_'))
  t.same(
    [...new Set(accepted)].filter((name) => !names.includes(name)),
    ['going_on'],
  )
  t.equal(
    [...rules.matchAll(/\baccept\b/g)].length,
    accepted.length + 1,
    'each of them is counted; the input chain says policy accept',
  )
  t.match(rules, /hook forward priority filter; policy drop;/)
  t.end()
})

t.test('each counter is used, and what is dropped is counted', (t) => {
  for (const name of counters) t.match(rules, new RegExp(`counter name ${name} (accept|drop)$`, 'm'), name)
  for (const line of rules.split('\n').filter((text) => / drop$/.test(text))) t.match(line, /counter name dropped_/)
  t.end()
})

t.test('nft takes the rules, twice', (t) => {
  const reason = ZoneNetwork.whyNot()
  if (reason !== null) {
    t.pass(`NOT SHOWN HERE, since ${reason}`)
    t.end()
    return
  }
  const checked = spawnSync('nft', ['-c', '-I', FOLDER, '-f', join(FOLDER, 'tonewall.nft')], { encoding: 'utf8' })
  t.same({ status: checked.status, stderr: checked.stderr }, { status: 0, stderr: '' })
  const spoilt = rules.replace('policy drop', 'policy perhaps')
  t.not(spawnSync('nft', ['-c', '-I', FOLDER, '-f', '-'], { input: spoilt }).status, 0, 'and no others')
  t.end()
})
