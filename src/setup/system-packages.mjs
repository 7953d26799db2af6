import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Debian packages by what they bring: a program to be found in PATH, or a file. */
const NEEDS = [
  { name: 'rtpengine-daemon', program: 'rtpengine', why: 'relays the media', for: ['start', 'test', 'bench'] },
  { name: 'espeak-ng', program: 'espeak-ng', why: 'speaks in the demonstration call', for: ['start', 'test', 'bench'] },
  { name: 'sox', program: 'sox', why: 'makes telephone audio of recordings', for: ['start', 'test', 'bench'] },
  {
    name: 'multimon-ng',
    program: 'multimon-ng',
    why: 'tries to read keys from recordings, as an independent judge',
    for: ['start', 'test', 'bench'],
  },
  { name: 'sip-tester', program: 'sipp', why: 'plays carrier and agent in tests and benches', for: ['test', 'bench'] },
  {
    name: 'kamailio',
    program: 'kamailio',
    why: 'is a carrier in tests, and the proxy that calls are compared with',
    for: ['test', 'bench'],
  },
  { name: 'baresip-core', program: 'baresip', why: 'is a telephone of payers and agents in tests', for: ['test'] },
  { name: 'tshark', program: 'tshark', why: 'decodes what Tonewall sent in tests', for: ['test'] },
  {
    // Its programs lie in a folder of their version; this one finds that.
    name: 'postgresql',
    program: 'pg_ctlcluster',
    why: 'keeps the tokens of a vault in tests and benches',
    for: ['test', 'bench'],
  },
  {
    name: 'softhsm2',
    program: 'softhsm2-util',
    why: 'is an HSM in tests',
    for: ['test'],
  },
  { name: 'iproute2', program: 'ip', why: 'makes the networks of the zones in tests', for: ['test'] },
  { name: 'systemd', program: 'systemd-analyze', why: 'checks the units of deploy/systemd in tests', for: ['test'] },
  { name: 'nftables', program: 'nft', why: 'keeps the zones apart in tests', for: ['test'] },
  { name: 'chromium', program: 'chromium', why: "opens the agent's page in the tests", for: ['test'] },
  {
    name: 'asterisk-core-sounds-en-wav',
    file: '/usr/share/asterisk/sounds/en_US_f_Allison/vm-goodbye.wav',
    why: 'recorded voices that must not be taken for keys',
    for: ['test', 'bench'],
  },
  ...[
    ['es', 'es_MX_f_Allison'],
    ['fr', 'fr_CA_f_June'],
    ['it', 'it_IT_m_Carlo'],
    ['ru', 'ru_RU_f_IvrvoiceRU'],
  ].map(([language, voice]) => ({
    name: `asterisk-core-sounds-${language}-wav`,
    file: `/usr/share/asterisk/sounds/${voice}/vm-goodbye.wav`,
    why: 'recorded voices that customers talk over their keys with',
    for: ['test', 'bench'],
  })),
  {
    // A library lies where the processor's architecture says; its copyright file does not.
    name: 'libspandsp2',
    file: '/usr/share/doc/libspandsp2/copyright',
    why: 'tries to read keys from recordings, as a second independent judge',
    for: ['test', 'bench'],
  },
]

/** Where Debian keeps what a user's PATH often leaves out. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/**
 * Run as root. rtpengine-daemon, kamailio and postgresql bring system services that would start at once and hold ports: policy-rc.d
 * is Debian's way to say no while packages are installed, and the services are disabled afterwards, since Tonewall and
 * its benches start both themselves. Package lists are fetched only when the first try fails, as it does when they are empty or old.
 */
const INSTALL_SCRIPT = `
set -u
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install --yes --quiet --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"; }
if ! install "$@"; then
  echo 'setup: fetching the package lists, and trying again'
  apt-get update --quiet || { sleep 15; apt-get update --quiet; }
  install "$@" || exit 1
fi
for name in "$@"; do
  case "$name" in rtpengine-daemon|kamailio|postgresql) ;; *) continue ;; esac
  if [ -d /run/systemd/system ]; then
    systemctl disable --now "$name.service" >/dev/null 2>&1
  elif command -v update-rc.d >/dev/null; then
    update-rc.d "$name" disable >/dev/null 2>&1
  fi
done
exit 0
`

/** Installs the Debian packages that `command` needs and this machine lacks. Returns false when something is missing. */
export function installSystemPackages({
  command,
  say,
  needs = NEEDS,
  path = process.env.PATH ?? '',
  uid = process.getuid(),
  isTerminal = process.stdin.isTTY === true,
  run = spawnSync,
}) {
  const missing = () => needs.filter((need) => need.for.includes(command) && !isThere(need, path))
  const wanted = missing()
  if (wanted.length === 0) return true
  const names = wanted.map((need) => need.name)
  const byHand = `apt-get install --no-install-recommends ${names.join(' ')}`
  for (const need of wanted) say(`missing: ${need.name} (${need.why})`)
  if (!isProgram('apt-get', path)) {
    const programs = wanted.map((need) => need.program ?? need.file)
    say(`this is not Debian or Ubuntu (no apt-get): install by your system's means ${programs.join(', ')}`)
    return false
  }
  const asRoot = prefixForRoot({ uid, path, isTerminal, run })
  if (asRoot === null) {
    say(`this needs root, and sudo does not work without a password here. Run: sudo ${byHand}`)
    return false
  }
  say(`installing with: ${[...asRoot, byHand].join(' ')}`)
  if (names.includes('rtpengine-daemon')) say('its system service is switched off: Tonewall starts rtpengine itself')
  const [program, ...first] = [...asRoot, 'sh', '-c', INSTALL_SCRIPT, 'sh', ...names]
  const outcome = run(program, first, { stdio: 'inherit' })
  const left = missing()
  if (outcome.status === 0 && left.length === 0) return true
  say(`the installation did not work: see the messages above. Run: sudo ${byHand}`)
  return false
}

/** What to put before a command so that it runs as root, or null when there is no way. */
function prefixForRoot({ uid, path, isTerminal, run }) {
  if (uid === 0) return []
  if (!isProgram('sudo', path)) return null
  if (run('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0) return ['sudo', '-n']
  return isTerminal ? ['sudo'] : null
}

function isThere(need, path) {
  return need.program === undefined ? existsSync(need.file) : isProgram(need.program, path)
}

function isProgram(name, path) {
  return [...path.split(delimiter), ...SYSTEM_FOLDERS].some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })
}
