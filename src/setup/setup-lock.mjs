import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Longer than a slow line needs for all packages. */
const WAIT_MS_MAX = 20 * 60_000
const LOOK_EVERY_MS = 250

/**
 * Lets one setup work in a checkout at a time. The lock names its holder by process id and start time, so that one
 * whose holder was killed is seen as stale even when the id is in use again. Returns null, after saying why, when the wait
 * was too long or the checkout cannot be written.
 */
export async function takeSetupLock({ folder, say, waitMs = WAIT_MS_MAX }) {
  const file = join(folder, 'run/setup.lock')
  const own = `${process.pid} ${startTime(process.pid)}`
  const mine = `${file}.${process.pid}`
  try {
    mkdirSync(join(folder, 'run'), { recursive: true, mode: 0o700 })
    writeFileSync(mine, own)
  } catch (error) {
    say(
      `cannot write to ${join(folder, 'run')} (${error.code}): run this as the user who owns the checkout, or clone it anew`,
    )
    return null
  }
  const deadline = Date.now() + waitMs
  let told = false
  try {
    for (;;) {
      // A link appears whole or not at all: nobody reads a lock that is half written.
      if (link(mine, file)) return { release: () => releaseIfOwn(file, own) }
      const holder = read(file)
      if (holder !== null && !isAlive(holder)) {
        removeStale(file, holder, mine)
        continue
      }
      if (Date.now() > deadline) {
        say(`another setup of this checkout does not end: see the process named in ${file}`)
        return null
      }
      if (!told) say('another setup of this checkout is at work: waiting for it')
      told = true
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  } finally {
    rmSync(mine, { force: true })
  }
}

function link(from, to) {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw error
  }
}

/** Moves the stale lock aside; if another was quicker and this is already a fresh one, puts it back. */
function removeStale(file, holder, mine) {
  const aside = `${mine}.stale`
  try {
    renameSync(file, aside)
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw error
  }
  if (read(aside) !== holder) link(aside, file)
  rmSync(aside, { force: true })
}

function releaseIfOwn(file, own) {
  if (read(file) === own) rmSync(file, { force: true })
}

function isAlive(holder) {
  const [pid, start] = holder.split(' ')
  const now = startTime(Number(pid))
  return now !== null && String(now) === start
}

/** Field 22 of /proc/PID/stat: the process's start in ticks since boot. null: there is no such process. */
function startTime(pid) {
  const stat = read(`/proc/${pid}/stat`)
  // The name, in parentheses, may hold blanks; the fields after it do not.
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}
