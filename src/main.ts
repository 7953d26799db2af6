import { problemLine } from './kit/configuration-file.ts'
import { parseCommandLine, USAGE, type Command } from './main/command-line.ts'
import { loadConfiguration } from './main/configuration.ts'
import { missingCertificates, missingText } from './main/missing-certificates.ts'
import { becomeRestricted } from './main/restricted-runtime.ts'
import { roleCommand } from './main/role-command.ts'
import { runRole } from './main/run-role.ts'
import { swapAdvice } from './main/swap.ts'
import { productVersion } from './main/version.ts'

/** The command line of Tonewall. Exit codes: 0 all well, 1 it did not work, 2 it was asked in a way it does not know. */
const exitCode = await main(parseCommandLine(process.argv.slice(2)))
// A role that could not start may hold sockets that would keep it alive; one that runs goes on.
if (exitCode === 0) process.exitCode = 0
else process.exit(exitCode)

async function main(command: Command): Promise<number> {
  switch (command.kind) {
    case 'start': {
      const { runStart } = await import('./main/start.ts')
      return runStart(command, (line) => process.stdout.write(`${line}\n`))
    }
    case 'run': {
      const loaded = loadConfiguration(command.configurationFile, command.role)
      if (loaded.kind === 'refused') return refuse(command.configurationFile, loaded.problems)
      const { configuration } = loaded
      const first = command.role === 'guard' ? (configuration.guards[0]?.name ?? command.role) : command.role
      const { configurationFile, role } = command
      const name = command.name ?? first
      becomeRestricted(roleCommand({ role, name, configurationFile, configuration }))
      return runRole({ role, name, configuration, configurationFile })
    }
    case 'selftest': {
      const loaded = loadConfiguration(command.configurationFile, 'operator')
      if (loaded.kind === 'refused') return refuse(command.configurationFile, loaded.problems)
      const { runSelfTestCommand } = await import('./main/self-test-command.ts')
      const people = command.json === '-' ? process.stderr : process.stdout
      return runSelfTestCommand(command, loaded.configuration, {
        say: (line) => people.write(`${line}\n`),
        write: (text) => process.stdout.write(text),
      })
    }
    case 'calls':
    case 'trace': {
      const loaded = loadConfiguration(command.configurationFile, 'operator')
      if (loaded.kind === 'refused') return refuse(command.configurationFile, loaded.problems)
      const ending = new AbortController()
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => ending.abort())
      const output = {
        say: (line: string) =>
          process.stderr.write(`${line}
`),
        write: (text: string) => process.stdout.write(text),
        isTerminal: process.stdout.isTTY,
      }
      if (command.kind === 'calls') {
        const { runCallsCommand } = await import('./main/calls-command.ts')
        return runCallsCommand(command, loaded.configuration, output, ending.signal)
      }
      const { runTraceCommand } = await import('./main/trace-command.ts')
      return runTraceCommand(command, loaded.configuration, output, ending.signal)
    }
    case 'drain': {
      const loaded = loadConfiguration(command.configurationFile, 'operator')
      if (loaded.kind === 'refused') return refuse(command.configurationFile, loaded.problems)
      const { runDrainCommand } = await import('./main/drain-command.ts')
      return runDrainCommand(command, loaded.configuration, (line) => process.stdout.write(`${line}\n`))
    }
    case 'reload': {
      const loaded = loadConfiguration(command.configurationFile, 'operator')
      if (loaded.kind === 'refused') return refuse(command.configurationFile, loaded.problems)
      const { runReloadCommand } = await import('./main/reload-command.ts')
      return runReloadCommand(command, loaded.configuration, (line) => process.stdout.write(`${line}\n`))
    }
    case 'audit-verify': {
      const { main: verify } = await import('./audit-verify.mjs')
      return verify(
        command.given,
        (line) => process.stdout.write(`${line}\n`),
        (line) => process.stderr.write(`${line}\n`),
      )
    }
    case 'audit-export':
    case 'audit-key': {
      const loaded = loadConfiguration(command.configurationFile, 'vault')
      if (loaded.kind === 'refused') return refuse(command.configurationFile, loaded.problems)
      const { runAuditCommand } = await import('./main/audit-command.ts')
      const say = (line: string): boolean => process.stderr.write(`${line}\n`)
      return runAuditCommand(command, loaded.configuration, { say, stream: process.stdout })
    }
    case 'evidence-verify': {
      const { main: verify } = await import('./evidence-verify.mjs')
      return verify(
        command.given,
        (line) => process.stdout.write(`${line}\n`),
        (line) => process.stderr.write(`${line}\n`),
      )
    }
    case 'evidence': {
      const loaded = loadConfiguration(command.configurationFile, 'operator')
      if (loaded.kind === 'refused') return refuse(command.configurationFile, loaded.problems)
      const { runEvidenceCommand } = await import('./main/evidence-command.ts')
      return runEvidenceCommand(command, loaded.configuration, (line) => process.stdout.write(`${line}\n`))
    }
    case 'vault-detokenize': {
      const loaded = loadConfiguration(command.configurationFile, 'operator')
      if (loaded.kind === 'refused') return refuse(command.configurationFile, loaded.problems)
      const { runDetokenizeCommand } = await import('./cde/detokenize-command.ts')
      // The answer may go down a pipe: what is said to people does not.
      const say = (line: string): boolean => process.stderr.write(`${line}\n`)
      const output = { fd: process.stdout.fd, isTerminal: process.stdout.isTTY }
      return runDetokenizeCommand(command, loaded.configuration, { say, output })
    }
    case 'vault': {
      const loaded = loadConfiguration(command.configurationFile, 'vault')
      if (loaded.kind === 'refused') return refuse(command.configurationFile, loaded.problems)
      const { runVaultCommand } = await import('./main/vault-command.ts')
      return runVaultCommand(command, loaded.configuration, (line) => process.stdout.write(`${line}\n`))
    }
    case 'vault-keys': {
      const { act } = command
      // These two work on the vault's own key and store; all others ask the vault that runs.
      const reader = act === 'make' || act === 'custodians' ? 'vault' : 'operator'
      const loaded = loadConfiguration(command.configurationFile, reader)
      if (loaded.kind === 'refused') return refuse(command.configurationFile, loaded.problems)
      const say = (line: string): boolean => process.stderr.write(`${line}\n`)
      if (act !== 'custodians' && act !== 'unseal') {
        const { runVaultKeyCommand } = await import('./main/vault-key-command.ts')
        return runVaultKeyCommand(command, loaded.configuration, {
          say: (line) => process.stdout.write(`${line}\n`),
          write: (text) => process.stdout.write(text),
        })
      }
      const { runCustodians, runUnseal } = await import('./main/custodian-command.ts')
      const { hiddenInput } = await import('./main/hidden-input.ts')
      const input = hiddenInput(process.stdin, (prompt) => process.stderr.write(prompt))
      const terminal = { ...input, say, show: (text: Uint8Array) => process.stderr.write(text) }
      return act === 'unseal'
        ? runUnseal(command, loaded.configuration, terminal)
        : runCustodians(command, loaded.configuration, terminal)
    }
    case 'check-config': {
      const loaded = loadConfiguration(command.file)
      if (loaded.kind === 'refused') return refuse(command.file, loaded.problems)
      const missing = missingCertificates(loaded.configuration)
      for (const file of missing) process.stderr.write(`${missingText(file)}\n`)
      if (missing.length > 0) return 1
      process.stdout.write('ok\n')
      for (const advice of loaded.advice) process.stderr.write(`unwise: ${problemLine(command.file, advice)}\n`)
      const swap = loaded.configuration.certificates.development ? null : swapAdvice()
      if (swap !== null) process.stderr.write(`unwise: ${swap}\n`)
      return 0
    }
    case 'trunk-check': {
      const { runTrunkCheck } = await import('./main/trunk-check.ts')
      const ending = new AbortController()
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => ending.abort())
      const isPiped = command.json === '-'
      const say = (line: string): boolean => (isPiped ? process.stderr : process.stdout).write(`${line}\n`)
      // Nothing may go on after the report: what is left of SIP timers is of no use any more.
      process.exit(await runTrunkCheck(command, say, ending.signal))
    }
    case 'version':
      process.stdout.write(`${productVersion()}\n`)
      return 0
    case 'help':
      process.stdout.write(USAGE)
      return 0
    case 'refused':
      process.stderr.write(`tonewall: ${command.text}\n\n${USAGE}`)
      return 2
  }
}

function refuse(file: string, problems: readonly Parameters<typeof problemLine>[1][]): number {
  for (const problem of problems) process.stderr.write(`${problemLine(file, problem)}\n`)
  return 1
}
