/**
 * What runs inside Redis. Every key that a script touches is declared, all of one slot; no script asks for a clock or a random number.
 * A record is the string `"<expiresAt> <n> <rev> "` and the value; the index of a partition is a sorted set of keys, all of score 0.
 *
 * Lua's numbers are doubles, exact for all that the contract allows, up to 2^53 - 1; they are written with `%.0f`, since `tostring`
 * keeps 14 digits.
 */

export interface Script {
  /** SHA-1 of the text in hex, by which a server knows it; a test asks a server. */
  readonly sha: string
  readonly text: string
}

/**
 * One commit: all ops are judged, then all are written, so that a refused one has written nothing.
 *
 * KEYS: the record of each op, then the index, if there is one. ARGV: `now`, then op by op `c` or `d`, condition | `p`, condition,
 * PX, record | `a`, by, max, PX, expiresAt, rev. A condition is empty, `-` for absent, or a rev; an empty PX is for ever.
 *
 * Answers 0, or 0 and the record after each `c` and `a`; a refused one the number of the op, from 1, and what is there. The index
 * lives as long as the longest of its records, so that partitions of markers leave nothing behind; -1 instead of 0 says that it was
 * written to and is there for ever.
 */
export const commitScript: Script = {
  sha: 'f803711d6178dd56e3788f25f8b44431cb5e37d1',
  text: `local call, now, index, count = redis.call, tonumber(ARGV[1]), KEYS[#KEYS], #KEYS - 1
if string.sub(index, -1) ~= '!' then index, count = nil, #KEYS end
local kept, live, life, a = call('MGET', unpack(KEYS, 1, count)), {}, 0, 2
for i = 1, count do
  local kind, cond, v, x, n, r = ARGV[a], ARGV[a + 1], kept[i]
  if v then
    x, n, r = string.match(v, '^(-?%d+) (%d+) (%S+) ')
    if not x then return { err = 'CORRUPT' } end
    if tonumber(x) <= now then v, n, r = false, nil, nil end
    live[i] = v
  end
  local holds, px
  if kind == 'a' then
    local by = tonumber(cond)
    n = tonumber(n or 0)
    if by > 0 then holds = n <= tonumber(ARGV[a + 2]) - by else holds = n >= -by end
    px, a = ARGV[a + 3], a + 6
  else
    if cond == '-' then holds = not v else holds = cond == '' or r == cond end
    if kind == 'p' then px, a = ARGV[a + 2], a + 4 else a = a + 2 end
  end
  if not holds then return { i, v } end
  if px then life = math.max(life, tonumber(px) or math.huge) end
end
local ttl = index and life > 0 and call('PTTL', index)
local out
a = 2
for i = 1, count do
  local kind, key, px, record = ARGV[a], KEYS[i]
  if kind == 'p' then
    px, record, a = ARGV[a + 2], ARGV[a + 3], a + 4
  elseif kind == 'a' then
    local by, rev = ARGV[a + 1], ARGV[a + 5]
    if live[i] then
      local x, n, value = string.match(live[i], '^(%S+) (%d+) %S+ (.*)$')
      record = x .. ' ' .. string.format('%.0f', n + by) .. ' ' .. rev .. ' ' .. value
      call('SET', key, record, 'KEEPTTL')
    else
      px, record = ARGV[a + 3], ARGV[a + 4] .. ' ' .. by .. ' ' .. rev .. ' '
    end
    out = out or { 0 }
    out[#out + 1] = record
    a = a + 6
  else
    if kind == 'c' then
      out = out or { 0 }
      out[#out + 1] = live[i] or false
    elseif kept[i] then
      call('DEL', key)
      if index then call('ZREM', index, string.sub(key, #index)) end
    end
    a = a + 2
  end
  if px then
    if index and (ttl == -2 or not kept[i]) then call('ZADD', index, 0, string.sub(key, #index)) end
    if px == '' then call('SET', key, record) else call('SET', key, record, 'PX', px) end
  end
end
if ttl then
  if life == math.huge then
    if ttl >= 0 then call('PERSIST', index) end
  elseif ttl ~= -1 and ttl < life then
    call('PEXPIRE', index, string.format('%.0f', 2 * life))
  end
end
local done = ttl == -1 and -1 or 0
if not out then return done end
out[1] = done
return out`,
}

/**
 * One page, as one snapshot. KEYS: the index, then the records that the caller has heard of. ARGV: `now`, from, to (for BYLEX), how
 * many records make a page, how many names to look at.
 *
 * Answers 1, the page as name, record, name, record …, and the names whose record is gone; or, when it met a name whose record was
 * not declared or looked at all it might before the page was full, 0, the names and those that are gone.
 */
export const pageScript: Script = {
  sha: '39563ba872e2002c798ffb21f038b0b11916ce66',
  text: `local now, size, most = tonumber(ARGV[1]), 2 * tonumber(ARGV[4]), tonumber(ARGV[5])
local place, declared, page, gone = string.sub(KEYS[1], 1, -2), {}, {}, {}
for i = 2, #KEYS do declared[KEYS[i]] = true end
local names = redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3], 'BYLEX', 'LIMIT', 0, most)
for _, name in ipairs(names) do
  local key = place .. name
  if not declared[key] then return { 0, names, gone } end
  local v = redis.call('GET', key)
  local x = v and string.match(v, '^-?%d+')
  if not v then
    gone[#gone + 1] = name
  elseif not x then
    return { err = 'CORRUPT' }
  elseif tonumber(x) > now then
    page[#page + 1] = name
    page[#page + 1] = v
    if #page == size then return { 1, page, gone } end
  end
end
if #names == most then return { 0, names, gone } end
return { 1, page, gone }`,
}

/** Drops names from the index whose record is gone. KEYS: the index, then the records. Answers how many went. */
export const tidyScript: Script = {
  sha: '3bc0e6df698970962dd794559088097f626a91ee',
  text: `local dropped = 0
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    dropped = dropped + redis.call('ZREM', KEYS[1], string.sub(KEYS[i], #KEYS[1]))
  end
end
return dropped`,
}
