import type { SelfTestResult } from '../wire/self-test-protocol.ts'

type Code = SelfTestResult['code']

/** What each verdict means, and what an operator does about it. */
const ADVICE: Readonly<Record<Exclude<Code, 'ok'>, string>> = {
  leaked:
    'a key could be read on the agent’s side, or the second belt had to stop one. It takes no windows. Compare its version with one that works, read its log and the audit record, and replace it; do not take cards through it by any other way.',
  key_lost:
    'the canary card did not arrive as it was keyed. Look whether the machine is overloaded or its network loses packets (`tonewall_guard_late_ms`).',
  no_media:
    'audio did not come through rtpengine and the guard. Look whether rtpengine reaches the guard’s `media` address, and whether a firewall stands between their ports.',
  delay: 'audio came through too late. Look at the load of the machine (`tonewall_guard_late_ms`).',
  not_direct:
    'after the window the parties were not connected again. Look at rtpengine’s log; a call in this state stays masked.',
  timeout: 'the guard or rtpengine did not do a step in time. Look at their logs and at the load of the machine.',
  unreachable: 'the guard or its rtpengine does not answer, so nothing could be tested. Is it running?',
}

const HEAD = ['guard', 'rtpengine', 'verdict', 'keys read', 'delay', 'took', 'in service'] as const

/** The results as lines of a table, for a person. */
export function selfTestTable(results: readonly SelfTestResult[]): readonly string[] {
  if (results.length === 0) return []
  const rows = [
    HEAD,
    ...results.map((result) => [
      result.guard,
      result.rtpengine,
      result.code,
      String(result.keysRead),
      result.delayMs === null ? '-' : `${result.delayMs} ms`,
      `${(result.durationMs / 1_000).toFixed(1)} s`,
      result.inService ? 'yes' : 'no',
    ]),
  ]
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** What is wrong and what to do; nothing for a guard that passed. */
export function adviceOf(result: SelfTestResult): readonly string[] {
  return result.code === 'ok' ? [] : [`${result.guard}: ${ADVICE[result.code]}`]
}
