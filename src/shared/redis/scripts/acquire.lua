-- Looks at an entry and, if it is not fresh, asks for the lease.
-- KEYS: entry, lease. ARGV: token, lease ms, flags (p: peek, f: force, i: insist), grace ms, have, era.
-- Answers {tag, now us, newest, purged, version, body version, fresh ms, ms left, detail}, as text.
-- Idempotent for one token: whoever asks again with it is told of the lease it has.
local E, L = KEYS[1], KEYS[2]
local token, flags, grace = ARGV[1], ARGV[3], tonumber(ARGV[4])
local T = redis.call('TIME')
local us = T[1] * 1000000 + T[2]
local ms = math.floor(us / 1000)
local h = redis.call('HMGET', E, 'f', 'p', 'v', 'd', 't', 'x', 'k', 'n')
local fresh = h[3] and (tonumber(h[5]) - ms) or 0

local function has(flag) return string.find(flags, flag, 1, true) end
local function text(number) return string.format('%.0f', number) end
local function answer(tag, left, detail)
  return { tag, text(us), h[1] or '', h[2] or '', h[3] or '', h[4] or '', text(fresh), text(left), detail }
end
local function keep()
  if redis.call('PTTL', E) < grace then redis.call('PEXPIRE', E, grace) end
end

if has('p') then return answer('P', 0, '') end
-- Force is about the version that the caller knows: a newer one is good enough.
local forced = has('f') and (ARGV[5] == '' or ARGV[5] == h[3])
if fresh > 0 and not forced then return answer('F', 0, '') end
local cur = redis.call('GET', L)
if cur and string.sub(cur, 1, #token + 1) == token .. ':' then
  return answer('L', redis.call('PTTL', L), string.sub(cur, #token + 2))
end
local x = tonumber(h[6]) or 0
if x > ms and not has('i') then return answer('B', x - ms, h[7] or '') end
if cur then
  -- The flag is set on an entry that may not exist: without a TTL it would stay for ever.
  if not h[8] then redis.pcall('HSET', E, 'n', 1) keep() end
  return answer('W', redis.call('PTTL', L), string.match(cur, '%d+$') or '')
end
-- `..` would write 1.79e+15.
local fence = text(math.max(us, (tonumber(h[1]) or 0) + 1, tonumber(ARGV[6]) + 1))
local set = redis.pcall('HSET', E, 'f', fence)
if type(set) == 'table' and set.err then
  -- Not at the beginning: before Redis 7 the place in this script comes first.
  if string.find(set.err, 'OOM', 1, true) then return answer('O', 0, '') end
  return set -- READONLY and the like have to surface.
end
h[1] = fence
redis.call('HDEL', E, 'n', 'g')
-- Ahead of the clock (in an era that is) it does not say when it was granted.
if tonumber(fence) > us then redis.call('HSET', E, 'g', text(ms)) end
redis.call('SET', L, token .. ':' .. fence, 'PX', ARGV[2])
keep()
return answer('L', tonumber(ARGV[2]), fence)
