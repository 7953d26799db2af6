import type { AccountName } from '../wire/configuration.ts'

/** groups: the supplementary groups of `name`, null for an account that has no name and so none. */
export type Account = { readonly uid: number; readonly gid: number; readonly name: string | null }

export const ACCOUNT_NAMES = ['sipd', 'sbc', 'guard', 'vault', 'desk', 'rtpengine'] as const satisfies AccountName[]

/**
 * Accounts without a name, for who starts a site as root and has made none: numbers that Debian gives to nobody and systemd leaves
 * free (60706 to 61183 in its list of UIDS-GIDS), inside the 65,536 that a container's user namespace usually has.
 */
export const UNNAMED: Readonly<Record<AccountName, number>> = {
  sipd: 61_001,
  sbc: 61_002,
  guard: 61_003,
  vault: 61_004,
  desk: 61_005,
  rtpengine: 61_006,
}

/**
 * The command to put before another, so that it runs as the account (null: as it is), with no rights but those named, and can never get
 * any: setpriv(1). A parent's death ends it where that is asked for.
 */
export function privileges(
  account: Account | null,
  options: readonly ('bind-low-ports' | 'die-with-parent')[],
): readonly string[] {
  const kept = options.includes('bind-low-ports') ? ',+net_bind_service' : ''
  return [
    'setpriv',
    ...(account === null
      ? []
      : [
          `--reuid=${account.uid}`,
          `--regid=${account.gid}`,
          account.name === null ? '--clear-groups' : '--init-groups',
          `--inh-caps=-all${kept}`,
          `--ambient-caps=-all${kept}`,
          `--bounding-set=-all${kept}`,
        ]),
    '--no-new-privs',
    ...(options.includes('die-with-parent') ? ['--pdeathsig=KILL'] : []),
  ]
}
