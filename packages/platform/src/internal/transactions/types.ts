/** Which authenticators may make a decision: policy's word on `confirm`, asked of each that the user has. */
import type { Enrolled } from '@postern/authenticators/enrolment'
import { factsOf, type Registry, watchedKeys } from '@postern/authenticators/registry'
import type { Transaction } from '@postern/authenticators/transaction/encoding'
import { PosternError } from '@postern/core/errors'
import { type AuthenticatorFacts, merge, neutral, resolve } from '@postern/policy/obligations'
import type { Part, Rec, Runtime } from '@postern/store'
import type { Decider } from '../decide.js'
import { denied } from '../decide.js'
import type { Device } from '../deviceRecord.js'
import { deviceFacts, type Facts, type Methods } from '../facts.js'
import { levelOf } from '../login/plan.js'
import type { UserStatus } from '../userStatus.js'

export interface Confirming {
  readonly device: Device
  readonly status: UserStatus
  readonly usable: readonly Enrolled[]
  readonly locked: readonly Enrolled[]
}

/**
 * Of a user's enrolments those that could prove something now, and those that are locked.
 * @param under - the enrolment whose ceremony is under way: it may hold the last try, and its own ladder knows
 */
export async function judged(
  { store, clock }: Pick<Runtime, 'store' | 'clock'>,
  registry: Registry,
  part: Part,
  enrolled: readonly (Enrolled & { readonly rec: Rec })[],
  { owner, under }: { readonly owner: string; readonly under: string | null },
): Promise<Pick<Confirming, 'usable' | 'locked'>> {
  const keys = watchedKeys(
    registry,
    enrolled.map(({ id, value }) => ({ id, type: value.type })),
  )
  const watched = keys.length === 0 ? [] : await store.read(part, keys, { now: clock() })
  const records = [...enrolled.map(({ rec }) => rec), ...watched.filter((rec): rec is Rec => rec !== null)]
  const { enrolments } = factsOf(registry, records, { owner })
  const stateOf = ({ id, value }: Enrolled) =>
    id === under && value.status === 'active' ? 'usable' : enrolments.find((one) => one.id === id)?.state
  const inState = (state: string) => enrolled.filter((one) => stateOf(one) === state)
  return { usable: inState('usable'), locked: inState('locked') }
}

/**
 * The types that confirm this transaction, `device` among them where policy asks for no factor at all.
 * @throws PosternError policy's reason, or `authenticator.none_usable`
 */
export async function confirmTypes(
  decider: Decider,
  clock: () => number,
  { device, status, usable, locked }: Confirming,
  transaction: Pick<Transaction, 'kind' | 'amount'>,
  ceiling: number | undefined,
): Promise<readonly string[]> {
  const policy = await decider.policy(ceiling)
  const types = (list: readonly Enrolled[]) => [...new Set(list.map(({ value }) => value.type))]
  const [able, barred] = [types(usable), types(locked)]
  const { amount, kind } = transaction
  const facts: Facts = {
    ...deviceFacts(await decider.config(), device.value, clock()),
    'user.status': status,
    'transaction.type': kind,
    ...(amount === undefined ? {} : { 'transaction.currency': amount.currency, 'transaction.amount': hundredths(amount.value) }),
    'authenticator.methods': [] as unknown as Methods,
    'authenticator.enrolled': [...new Set([...able, ...barred])] as unknown as Methods,
    'authenticator.usable': able as unknown as Methods,
    'authenticator.locked': barred as unknown as Methods,
    'authenticator.acr': 0,
  }
  const decision = await decider.decide('confirm', facts, ceiling === undefined ? {} : { ceiling })
  if (decision.outcome === 'deny') {
    if (decision.cause === 'no-usable-authenticator') throw new PosternError('authenticator.none_usable')
    throw denied(decision)
  }
  const needed = decision.obligation === null ? neutral : merge(neutral, decision.obligation)
  const proving = (methods: readonly string[]): AuthenticatorFacts => ({
    methods: new Set(methods),
    enrolled: new Set([...able, ...barred]),
    usable: new Set(able),
    locked: new Set(barred),
    acr: levelOf(policy, methods),
    ageSec: 0,
  })
  // One proof decides: what takes two together confirms nothing here.
  const enough = (methods: readonly string[]) => resolve(needed, proving(methods), policy.levels) === 'satisfied'
  return [...(enough([]) ? ['device'] : []), ...able.filter((type) => enough([type]))]
}

/** An amount in hundredths of its currency's unit, rounded up; what no exact number holds counts as the greatest. */
export function hundredths(value: string): number {
  const [whole = '0', fraction = ''] = value.split('.')
  const tenThousandths = BigInt(whole) * 10_000n + BigInt(fraction.padEnd(4, '0'))
  const rounded = (tenThousandths + 99n) / 100n
  return rounded > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(rounded)
}
