-- Has all later fences be larger than this one. KEYS: book, lease. ARGV: token, fence, grace ms.
-- Answers 1, or 0: the lease is not yours, so nothing was done.
local B, L, token = KEYS[1], KEYS[2], ARGV[1]
local cur = redis.call('GET', L)
if not cur or string.sub(cur, 1, #token + 1) ~= token .. ':' then return 0 end
if (tonumber(redis.call('HGET', B, 'f')) or 0) < tonumber(ARGV[2]) then
  redis.call('HSET', B, 'f', ARGV[2])
end
local life = math.max(tonumber(ARGV[3]), redis.call('PTTL', L))
if redis.call('PTTL', B) < life then redis.call('PEXPIRE', B, string.format('%.0f', life)) end
return 1
