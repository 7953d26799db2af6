/** The processes of ours; `operator` has a certificate but no process. */
export const ROLE_NAMES = ['sipd', 'sbc', 'guard', 'vault', 'desk'] as const
export type RoleName = (typeof ROLE_NAMES)[number]

export function isRoleName(text: string): text is RoleName {
  return (ROLE_NAMES as readonly string[]).includes(text)
}
