/** The JSON values that {@link parseJson} yields. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
/** An object without prototype: `__proto__` and `constructor` are members like any other, and refused. */
export interface JsonObject {
  readonly [member: string]: JsonValue
}
