/** Profiles as the app may see them. */
import type { Profile } from '../client.js'
import type { ClientState } from './state.js'

/** Confirmed profiles alone: an enrolment that was interrupted is nobody's yet. */
export function visible({ profiles }: ClientState): readonly Profile[] {
  return profiles
    .filter(({ confirmed }) => confirmed)
    .map(({ id, enrolments }) => ({ id, authenticators: enrolments.map(({ type }) => type) }))
}
