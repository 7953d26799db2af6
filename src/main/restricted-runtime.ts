import { INSTALLATION } from './configuration.ts'
import { childEnvironment } from './launch.ts'

/**
 * Puts this process under the flags that a supervisor would have given it (`role-command.ts`), by becoming the same program again: systemd
 * and containers start a role with one plain command. The process id stays. Returns where the flags are there already, or a
 * supervisor is, who has seen to them.
 */
export function becomeRestricted(command: readonly string[]): void {
  if (process.send !== undefined || hasFlags(command, process.execArgv)) return
  process.execve?.(process.execPath, [process.execPath, ...command], childEnvironment())
}

/** Flags are what stands before the program, which lies in the installation. */
export function hasFlags(command: readonly string[], given: readonly string[]): boolean {
  const program = command.findIndex((word) => word.startsWith(INSTALLATION))
  return command.slice(0, program).every((flag) => given.includes(flag))
}
