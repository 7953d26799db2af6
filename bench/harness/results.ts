import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'

export const RESULTS_FOLDER = join(import.meta.dirname, '../results')

export type Goal = { readonly name: string; readonly goal: string; readonly measured: string; readonly met: boolean }
export type Plot = {
  readonly title: string
  readonly unit: string
  /** Bars with a range: the median of the rounds, and the lowest and highest round. */
  readonly bars: readonly {
    readonly name: string
    readonly value: number
    readonly low: number
    readonly high: number
  }[]
}

/** What a bench leaves behind: data for others, goals met or missed, plots for the page, and what was tried. */
export type BenchResult = {
  readonly bench: string
  readonly question: string
  readonly method: string
  readonly at: string
  readonly machine: Machine
  readonly data: Readonly<Record<string, unknown>>
  readonly goals: readonly Goal[]
  readonly plots: readonly Plot[]
  readonly notes: readonly string[]
}

type Machine = {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly versions: Readonly<Record<string, string>>
}

/** The machine without its name: enough to judge the figures by. */
export function describeMachine(): Machine {
  const [cpu] = cpus()
  return {
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: firstLine('uname', ['-sr']),
    versions: { node: process.version, rtpengine: firstLine('rtpengine', ['--version']) },
  }
}

/** The last result of a bench, as it was written. Throws when there is none. */
export function readResult(bench: string): unknown {
  return JSON.parse(readFileSync(join(RESULTS_FOLDER, `${bench}.json`), 'utf8'))
}

export function writeResult(result: BenchResult): string {
  mkdirSync(RESULTS_FOLDER, { recursive: true })
  const file = join(RESULTS_FOLDER, `${result.bench}.json`)
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  return file
}

export function readResults(): readonly BenchResult[] {
  return readdirSync(RESULTS_FOLDER)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(RESULTS_FOLDER, name), 'utf8')) as BenchResult)
}

/** Of either output: rtpengine tells its version on standard error. */
function firstLine(program: string, parameters: readonly string[]): string {
  const { stdout, stderr, error } = spawnSync(program, [...parameters], { encoding: 'utf8', timeout: 5_000 })
  return error === undefined ? (`${stdout}\n${stderr}`.trim().split('\n')[0]?.trim() ?? '') : 'not found'
}
