declare module 'semver' {
  const semver: { compare(a: string, b: string): number; gt(a: string, b: string): boolean; valid(v: string): string | null }
  export default semver
}
