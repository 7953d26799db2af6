import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from './eventually.ts'

const run = promisify(execFile)
const CHECKOUT = resolve(import.meta.dirname, '../..')
const SYSTEMD = '/lib/systemd/systemd'
const COMMAND_MS_MAX = 60_000
const BOOT_MS_MAX = 60_000
const NAMESPACES = ['--mount', '--pid', '--fork', '--ipc', '--uts', '--net', '--cgroup', '--kill-child']
/** Anybody may read it, so that users of their own can. */
const READ_BY_ALL = 0o004

/**
 * This machine once more, in namespaces of its own: its files with a layer above that goes away, and systemd as process 1, started for
 * nothing but a journal. The checkout is at /opt/tonewall. What runs in it dies with it. Needs root.
 */
const BOOT = `set -e
work=$1
mount -t tmpfs tonewall-units "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$work/root"
cd "$work/root"
mkdir -p opt/tonewall etc/tonewall mnt
mount --bind ${CHECKOUT} opt/tonewall
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run tmp; do mount -t tmpfs tmpfs $folder; done
mount --rbind /dev dev
rm -rf etc/systemd/system etc/sysusers.d var/log/journal
mkdir -p etc/systemd/system etc/sysusers.d
printf '[Unit]\\nDescription=a test\\nWants=systemd-journald.service\\n' > etc/systemd/system/test.target
ip link set dev lo up
pivot_root . mnt
umount -l mnt
exec env -i container=tonewall PATH=/usr/sbin:/usr/bin:/sbin:/bin ${SYSTEMD} --system --unit=test.target --log-target=journal`

/** A machine that systemd runs, for the units of deploy/systemd. */
export class BootedMachine {
  readonly #child: ChildProcess
  readonly #pid: number

  private constructor(child: ChildProcess, pid: number) {
    this.#child = child
    this.#pid = pid
  }

  /** A reason, where this machine does not let us have another; else null. */
  static whyNot(folder: string): string | null {
    if (process.getuid?.() !== 0) return 'this is not root'
    for (const file of ['node_modules/node/bin/node', 'src/main.ts'])
      if ((statSync(join(CHECKOUT, file)).mode & READ_BY_ALL) === 0)
        return `${file} of this checkout is its owner's alone`
    if (spawnSync(SYSTEMD, ['--version']).status !== 0) return 'there is no systemd'
    mkdirSync(join(folder, 'probe'))
    const script = BOOT.replace(/^exec .*$/m, 'exit 0')
    const probe = spawnSync('unshare', [...NAMESPACES, 'sh', '-c', script, 'sh', join(folder, 'probe')], {
      encoding: 'utf8',
      timeout: COMMAND_MS_MAX,
    })
    return probe.status === 0 ? null : `namespaces or mounts are not allowed: ${probe.stderr}`
  }

  /** null when systemd does not come up. */
  static async boot(folder: string): Promise<BootedMachine | null> {
    const work = join(folder, 'machine')
    mkdirSync(work)
    // Whatever ends this test ends all of it.
    const given = ['--pdeathsig=KILL', 'unshare', ...NAMESPACES, 'sh', '-c', BOOT, 'sh', work]
    const child = spawn('setpriv', given, { stdio: 'ignore' })
    try {
      let pid = 0
      await eventually(() => {
        pid = Number(
          readFileSync(`/proc/${child.pid ?? 0}/task/${child.pid ?? 0}/children`, 'utf8')
            .trim()
            .split(' ')[0],
        )
        return pid > 0
      }, BOOT_MS_MAX)
      const machine = new BootedMachine(child, pid)
      await eventually(() => machine.does('systemctl', 'is-active', 'test.target'), BOOT_MS_MAX)
      return machine
    } catch {
      child.kill('SIGKILL')
      return null
    }
  }

  /** Runs a command inside, as root; rejects when it fails. */
  async inside(...command: readonly string[]): Promise<string> {
    const { stdout } = await run('nsenter', this.#enter(command), { timeout: COMMAND_MS_MAX })
    return stdout
  }

  /** True when a command inside succeeds. */
  async does(...command: readonly string[]): Promise<boolean> {
    return this.inside(...command).then(
      () => true,
      () => false,
    )
  }

  /** Writes a file inside. */
  write(file: string, content: string): void {
    writeFileSync(join(`/proc/${this.#pid}/root`, file), content)
  }

  /** The processes of a unit, by their ids out here. */
  pidsOf(unit: string): readonly number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => cgroupOf(pid).includes(`/${unit}\n`) && isBelow(pid, this.#pid))
  }

  /** Ends all of it. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    // The kernel ends all processes of the namespace with its first.
    process.kill(this.#pid, 'SIGKILL')
    await ended
  }

  #enter(command: readonly string[]): string[] {
    return ['-t', String(this.#pid), '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w', 'env', '-i', PATH, ...command]
  }
}

/** Nothing else of the environment: tap adds options for Node to what a test starts. */
const PATH = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'

function cgroupOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8')
  } catch {
    return ''
  }
}

/** A process of another run of this test has a unit of the same name. */
function isBelow(pid: number, ancestor: number): boolean {
  for (let at = pid; at > 1;) {
    if (at === ancestor) return true
    try {
      at = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${at}/status`, 'utf8'))?.[1] ?? 0)
    } catch {
      return false
    }
  }
  return false
}
