/** The claims that the standard scopes ask for (OpenID Connect Core §5.4). */
const BY_SCOPE: Readonly<Record<string, readonly string[]>> = {
  profile: [
    'name',
    'family_name',
    'given_name',
    'middle_name',
    'nickname',
    'preferred_username',
    'profile',
    'picture',
    'website',
    'gender',
    'birthdate',
    'zoneinfo',
    'locale',
    'updated_at',
  ],
  email: ['email', 'email_verified'],
  address: ['address'],
  phone: ['phone_number', 'phone_number_verified'],
}

export function claimNames(scope: readonly string[]): readonly string[] {
  return scope.flatMap((token) => (Object.hasOwn(BY_SCOPE, token) ? BY_SCOPE[token]! : []))
}
