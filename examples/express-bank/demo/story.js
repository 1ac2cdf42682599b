// @ts-check
// The story, step by step: each either behaves or throws. One line a step, with its milliseconds and the store commits it took.
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeBase64url } from '@postern/core/base64url'
import { createCrypto } from '@postern/core/crypto'
import { signJws } from '@postern/core/jws'
import { systemPorts } from '@postern/core/systemRuntime'
import { createPhone } from './phone.js'

/**
 * @typedef {{ issuer: string, api: string, keyRoots: JsonWebKey[], folder: string, admin: import('./operator.js').Admin,
 *   commits: () => number, print: (line: { step: string, ms: number, commits: number, text: string }) => void }} World
 */

/** A user's fingers: what is typed when a PIN is asked for. @param {string} pin @param {string[]} [tried] - new PINs that are tried first @returns {import('@postern/client/prompts').Prompts & { refused: string[] }} */
function fingers(pin, tried = []) {
  const queue = [...tried]
  const refused = /** @type {string[]} */ ([])
  return {
    refused,
    pin: async () => pin,
    newPin: async ({ violations }) => {
      if (violations) refused.push(violations.join('+'))
      return queue.shift() ?? pin
    },
  }
}

const PIN = '27184'

/** @param {World} world */
export async function tellStory(world) {
  const { issuer, api, keyRoots, folder, admin, commits, print } = world
  const place = { issuer, api, keyRoots }
  /** @param {string} step @param {() => Promise<string>} run */
  const step = async (step, run) => {
    const [started, before] = [performance.now(), commits()]
    const text = await run()
    print({ step, ms: Math.round((performance.now() - started) * 10) / 10, commits: commits() - before, text })
  }

  const user = fingers(PIN, ['1234', '11111', '12345'])
  /** @type {import('@postern/client/ports').SignCause | null} */
  let finger = null
  /** Drops the reply of the next call whose path ends so: the server has acted, the phone does not know. @type {string | null} */
  let dropReplyOf = null
  const { fetch: network, clock } = systemPorts()
  /** How wrong the phone's clock is, ms; nothing may depend on it, but a token that looks old is refreshed. */
  let skew = 0
  /** Every refresh token that crossed the wire, as a spy would have it. */
  const seen = /** @type {string[]} */ ([])
  /** What the wire sees of the calls of the API: their media types. */
  const sealedAs = /** @type {string[]} */ ([])
  /** @type {import('@postern/core/runtime').Fetch} */
  const flaky = async (input, init) => {
    const answer = await network(input, init)
    const url = input instanceof Request ? input.url : String(input)
    if (url.startsWith(api) && init?.method === 'POST') sealedAs.push(new Headers(init.headers).get('content-type') ?? '')
    if (url.endsWith('/token') && answer.status === 200) {
      const { refresh_token } = await answer.clone().json()
      if (refresh_token) seen.push(refresh_token)
    }
    if (dropReplyOf !== null && url.endsWith(dropReplyOf)) {
      dropReplyOf = null
      await answer.body?.cancel()
      throw new TypeError('connection lost')
    }
    return answer
  }
  const phone = createPhone({
    ...place,
    folder: join(folder, 'anna'),
    prompts: user,
    biometric: () => finger,
    fetch: flaky,
    clock: () => clock() + skew,
  })
  /** A call when the token looks old: the phone refreshes first. */
  const callAfterRefresh = async () => {
    skew += 290_000
    return (await phone.fetch(`${api}/accounts`)).status
  }
  let profile = ''

  await step('enrol', async () => {
    const started = ok(await phone.start())
    return `the app instance enrols: device ${short(started.clientId)}`
  })
  await step('register', async () => {
    const session = ok(await phone.register('browser', user))
    profile = String(session.profile)
    expect(user.refused.length >= 3, 'weak PINs are refused')
    return `Anna registers through the bank's own login form and sets a PIN; weak ones are refused: ${user.refused.join(', ')}`
  })
  await step('login', async () => {
    const session = ok(await phone.login(profile, user))
    expect(session.acr === 'pin', 'the PIN reaches its level')
    return `Anna logs in by PIN, level "${session.acr}"; the server never saw it`
  })
  await step('accounts', async () => {
    const answer = await phone.fetch(`${api}/accounts`)
    const { accounts, code } = await answer.json()
    expect(answer.status === 200, `accounts are read (${answer.status} ${code})`)
    return `accounts read over a sealed, DPoP-bound call: ${accounts[0].iban} ${money(accounts[0].balance)}`
  })
  await step('plain', async () => {
    const answer = await fetch(`${api}/accounts`)
    expect(answer.status === 403, 'a call that is not sealed is refused')
    return `the same call unsealed is refused: ${(await answer.json()).code}`
  })
  await step('device-key', async () => {
    ok(await phone.enrol('device-key', user))
    ok(await phone.enrol('biometric', user))
    return 'Anna adds the device key and her fingerprint'
  })
  await step('transfer', async () => {
    const small = await phone.fetch(`${api}/transfers`, {
      method: 'POST',
      body: JSON.stringify({ amount: 4_200, to: 'NL00BANK0000000002' }),
      headers: { 'content-type': 'application/json' },
    })
    expect(small.status === 201, `a small transfer passes (${small.status})`)
    expect(sealedAs.at(-1) === 'application/vnd.postern.session-req', `it goes in the session (${sealedAs.at(-1)})`)
    return 'a transfer of 42.00 needs nothing more; it goes in the session that the first call opened'
  })
  await step('step-up', async () => {
    const large = await phone.fetch(`${api}/transfers`, {
      method: 'POST',
      body: JSON.stringify({ amount: 250_000, to: 'NL00BANK0000000002' }),
      headers: { 'content-type': 'application/json' },
    })
    expect(large.status === 201, `a large transfer passes after a step-up (${large.status})`)
    expect(phone.session?.acr === 'strong', 'by the device key')
    return `a transfer of 2,500.00 demands a step-up (RFC 9470) and gets it by the device key: level "${phone.session?.acr}"`
  })
  await step('fallback', async () => {
    ok(await phone.prefer('biometric', user))
    ok(await phone.logout())
    finger = 'locked-out-permanently'
    const session = ok(await phone.login(profile, user))
    expect(session.acr === 'pin', 'the PIN took over')
    const left = (await phone.profiles()).find(({ id }) => id === profile)?.authenticators ?? []
    expect(!left.includes('biometric'), 'the locked-out biometric is removed')
    return 'biometrics are locked out; policy lets the PIN take over, and the fingerprint is removed on both sides'
  })

  for (const [name, options, code] of /** @type {const} */ ([
    ['rooted', { signals: { privilegedAccess: true } }, 'device.integrity'],
    ['outdated', { version: '4.9.0' }, 'app.outdated'],
    ['old-os', { os: '11.4' }, 'os.outdated'],
  ])) {
    await step(name, async () => {
      const refused = await createPhone({ ...place, folder: join(folder, name), ...options }).start()
      expect(
        !refused.ok && refused.error.code === code,
        `refused with ${code}, not ${refused.ok ? 'let in' : refused.error.code}`,
      )
      return `${{ rooted: 'a rooted device', outdated: 'an outdated app version', 'old-os': 'an old operating system' }[name]} is refused: ${code}`
    })
  }

  await step('lost-reply', async () => {
    const before = seen.length
    dropReplyOf = '/token'
    const status = await callAfterRefresh()
    expect(dropReplyOf === null && status === 200, 'the call went through')
    expect(seen.length === before + 2 && seen.at(-1) === seen.at(-2), 'the retry got the same successor')
    return 'the reply to a refresh is lost; the retry gets the same successor, byte for byte, and Anna stays logged in'
  })
  await step('stolen-refresh', async () => {
    const stolen = String(seen.at(-1))
    cpSync(join(folder, 'anna'), join(folder, 'thief'), { recursive: true })
    expect((await callAfterRefresh()) === 200 && (await callAfterRefresh()) === 200, 'Anna goes on')
    const statuses = await refreshAsThief(issuer, join(folder, 'thief'), stolen)
    expect(
      statuses.every((status) => status !== 200),
      'the old token is refused',
    )
    const after = await callAfterRefresh().catch((error) => error.code)
    expect(after === 'login.required', `the family went with it (${after})`)
    ok(await phone.login(profile, user))
    return 'a refresh token copied with its key, used late, is refused and its whole family revoked; Anna logs in anew'
  })
  await step('brute-force', async () => {
    const first = createPhone({ ...place, folder: join(folder, 'bob'), prompts: fingers(PIN) })
    ok(await first.start())
    const { profile: bob } = ok(
      await first.register({ custom: 'letter', data: { user: 'bob', password: 'battery staple' } }, fingers(PIN)),
    )
    const guessers = Array.from({ length: 10 }, (_, i) => {
      cpSync(join(folder, 'bob'), join(folder, `guess${i}`), { recursive: true })
      return createPhone({ ...place, folder: join(folder, `guess${i}`) })
    })
    for (const guesser of guessers) ok(await guesser.start())
    const since = Date.now()
    const guesses = await Promise.all(guessers.map((guesser, i) => guesser.login(String(bob), fingers(String(80_000 + i)))))
    expect(
      guesses.every((guess) => !guess.ok),
      'no guess succeeds',
    )
    const verified = await countEvents(admin, `type=pin.attempted&subject=c-1002&from=${since}`)
    expect(verified === 3, `exactly 3 of 10 parallel guesses are verified, not ${verified}`)
    const right = await first.login(String(bob), fingers(PIN))
    expect(
      !right.ok && ['authenticator.locked', 'authenticator.none_usable', 'authenticator.removed'].includes(right.error.code),
      'then it is locked, for the right PIN too',
    )
    return `10 wrong PINs in parallel: exactly ${verified} are verified, then the PIN is locked (${right.ok ? '' : right.error.code})`
  })
  await step('rule', async () => {
    const head = await admin('GET', '/v1/policies/main')
    const { version, document } = await head.json()
    const stricter = {
      ...document,
      parent: version,
      rules: [
        ...document.rules,
        { id: 'night', mode: 'enforce', effect: 'deny', reason: 'policy.denied', when: { action: 'login' } },
      ],
      fixtures: document.fixtures,
    }
    const draft = await admin('POST', '/v1/policies/main/versions', stricter)
    const made = await draft.json()
    expect(draft.status < 300, `the draft is checked: ${JSON.stringify(made)}`)
    const published = await admin(
      'POST',
      '/v1/policies/main/publish',
      { version: made.version },
      { 'if-match': head.headers.get('etag') ?? '' },
    )
    expect(
      published.status < 300,
      `the policy is published: ${published.status} ${published.status < 300 ? '' : await published.text()}`,
    )
    const denied = await phone.login(profile, user)
    expect(!denied.ok && denied.error.code === 'policy.denied', 'the next decision changes')
    const back = await admin(
      'POST',
      '/v1/policies/main/rollback',
      { to: version },
      { 'if-match': published.headers.get('etag') ?? '' },
    )
    expect(back.status < 300, `rolled back: ${back.status} ${back.status < 300 ? '' : await back.text()}`)
    ok(await phone.login(profile, user))
    return 'an operator publishes a rule, the next login is refused by it; rolled back, the next one passes'
  })
}

/**
 * What a thief with a copy of the phone's files does: the old token, a proof by the copied key.
 * @param {string} issuer @param {string} folder @param {string} token
 */
async function refreshAsThief(issuer, folder, token) {
  const crypto = createCrypto()
  const { random, clock } = systemPorts()
  const files = join(folder, 'keys')
  const statuses = []
  for (const file of readdirSync(files)) {
    const { jwk } = JSON.parse(readFileSync(join(files, file), 'utf8'))
    const signer = await crypto.signer('ES256', jwk)
    const clientId = /** @type {string} */ (/"clientId":"([a-z2-7]{26})"/.exec(readAll(join(folder, 'storage')))?.[1])
    /** @param {string | null} nonce @returns {Promise<Response>} */
    const ask = async (nonce) =>
      fetch(`${issuer}/token`, {
        method: 'POST',
        headers: {
          dpop: await signJws(
            signer,
            { typ: 'dpop+jwt', jwk: signer.publicJwk },
            {
              jti: encodeBase64url(random(16)),
              htm: 'POST',
              htu: `${issuer}/token`,
              iat: Math.floor(clock() / 1000),
              ...(nonce ? { nonce } : {}),
            },
          ),
        },
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token, client_id: clientId }),
      })
    const first = await ask(null)
    statuses.push((await ask(first.headers.get('dpop-nonce'))).status)
  }
  return statuses
}

/** @param {string} folder */
function readAll(folder) {
  return readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), 'latin1'))
    .join('\n')
}

/** @param {World['admin']} admin @param {string} query */
async function countEvents(admin, query) {
  const answer = await admin('GET', `/v1/events?${query}&limit=1000`)
  return (await answer.json()).events.length
}

/** @template T @param {import('@postern/client/result').Result<T, any>} result @returns {T} */
function ok(result) {
  if (!result.ok) throw result.error
  return result.value
}

/** @param {boolean} holds @param {string} what */
function expect(holds, what) {
  if (!holds) throw new Error(`This did not behave: ${what}.`)
}

/** @param {string} id */
const short = (id) => `${id.slice(0, 6)}…`
/** @param {number} cents */
const money = (cents) => `${(cents / 100).toFixed(2)} EUR`
