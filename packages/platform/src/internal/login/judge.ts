/** Policy's word on a login as it stands. */
import { deviceFacts, type Facts, type Methods } from '../facts.js'
import type { Attempt, LoginRoom } from './attempt.js'
import { authenticatorFacts, type Plan, planLogin } from './plan.js'

/** Policy's word on the session as it stands, and what is left to do. */
export async function judge(
  room: LoginRoom,
  { device, session, candidates }: Pick<Attempt, 'device' | 'session' | 'candidates'>,
): Promise<Plan> {
  const { decider, registry } = room
  const { clock } = room.runtime
  const ceiling = room.ceiling(device)
  const policy = await decider.policy(ceiling)
  const have = authenticatorFacts(policy, candidates, session.done)
  const facts: Facts = {
    ...deviceFacts(await decider.config(), device.value, clock()),
    'resource.scope': [...session.request.scope],
    'authenticator.methods': listed(have.methods),
    'authenticator.enrolled': listed(have.enrolled),
    'authenticator.usable': listed(have.usable),
    'authenticator.locked': listed(have.locked),
    'authenticator.acr': have.acr ?? 0,
    ...(have.ageSec === null ? {} : { 'authenticator.ageSec': have.ageSec }),
    'user.status': session.status as 'active',
    ...(session.risk === null
      ? {}
      : {
          'risk.score': session.risk.score,
          'risk.band': session.risk.band,
          'risk.calibrated': session.risk.calibrated,
          'risk.reasons': [...session.risk.reasons],
        }),
  }
  const decision = await decider.decide('login', facts, ceiling === undefined ? {} : { ceiling })
  return planLogin({ policy, decision, candidates, done: session.done, demanded: session.request.acr, order: registry.types })
}

function listed(types: ReadonlySet<string> | null): Methods {
  return [...(types ?? [])] as unknown as Methods
}
