import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import type { DemonstrationReport } from '../../src/demo/demonstration.ts'
import { demonstrationHolds, demonstrationSite } from '../fakes/demonstration-site.ts'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
/** A call with all its keys takes ten seconds, one without a vault twenty more; the rest is for a busy machine. */
const FILE_MS_MAX = 118_000
const RUN_MS_MAX = 60_000

t.test('the command makes one call, and its exit code is the verdict', { timeout: FILE_MS_MAX }, async (t) => {
  const { file, configuration } = await demonstrationSite(t)
  const report = join(configuration.dataFolder, '../reports/one.json')

  await t.test('a taken port is named with its key', async (t) => {
    const [sip] = configuration.sip.udp
    if (sip === undefined) throw new Error('the test configuration has no SIP address')
    const squatter = createSocket('udp4')
    squatter.bind(sip.port, sip.host)
    await once(squatter, 'listening')
    const { exitCode, lines } = await start(t, { file, report })
    await new Promise<void>((closed) => squatter.close(() => closed()))
    t.equal(exitCode, 1)
    t.ok(lines.some((line) => line.includes(`UDP port ${sip.port} on ${sip.host} (sip.udp[0].port) is taken`)))
  })

  const first = await start(t, { file, report })
  t.equal(first.exitCode, 0)
  const one = readReport(report)
  demonstrationHolds(t, one, { transport: 'events', codec: 'PCMU', masking: 'talk-through' })
  t.match(one.versions, { tonewall: /^\d+\.\d+\.\d+/, node: process.versions.node, rtpengine: /^\d+\.\d+/ })

  const second = await start(t, { file, report })
  t.equal(second.exitCode, 0)
  const again = readReport(report)
  demonstrationHolds(t, again, { transport: 'events', codec: 'PCMU', masking: 'talk-through' })
  t.equal(again.token, one.token, 'the same card of the same merchant has the same token after a restart')

  await t.test('without a vault that answers it says what did not hold, and exits 1', async (t) => {
    const { exitCode, lines } = await start(t, {
      file,
      report,
      line: (line) => {
        // Stopped, a process is no crash: it only never answers. Its successors are stopped too.
        const pid = /^vault is (?:ready|back).*\(process (\d+)\)$/.exec(line)?.[1]
        if (pid !== undefined) process.kill(Number(pid), 'SIGSTOP')
      },
    })
    t.equal(exitCode, 1)
    t.ok(lines.includes('did not hold: the vault returned no token'))
    const failed = readReport(report)
    // A window that cannot be written down takes no key, so the customer is not asked for one.
    t.match(failed, { ok: false, token: null, keyed: 0, captured: 0 })
    t.same(failed.recovered.agent, { events: 0, multimon: 0, matchedFilter: 0 }, 'and nothing was heard all the same')
  })
})

async function start(
  t: Test,
  options: { readonly file: string; readonly report: string; readonly line?: (line: string) => void },
): Promise<{ readonly exitCode: unknown; readonly lines: readonly string[] }> {
  rmSync(options.report, { force: true })
  const child = spawn(
    process.execPath,
    ['--disable-sigusr1', MAIN, 'start', '--config', options.file, '--once', '--report', options.report],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => {
    lines.push(line)
    t.comment(line.replace(/#token=.*/, ''))
    options.line?.(line)
  })
  const [exitCode] = (await once(child, 'exit', { signal: AbortSignal.timeout(RUN_MS_MAX) })) as unknown[]
  return { exitCode, lines }
}

function readReport(file: string): DemonstrationReport {
  return JSON.parse(readFileSync(file, 'utf8')) as DemonstrationReport
}
