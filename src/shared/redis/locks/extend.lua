-- Has a lease last for so long at least. KEYS: book, lease. ARGV: token, lease ms, grace ms.
-- Answers 1, or 0: not yours.
local B, L, token = KEYS[1], KEYS[2], ARGV[1]
local cur = redis.call('GET', L)
if not cur or string.sub(cur, 1, #token + 1) ~= token .. ':' then return 0 end
local lease, grace = tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('PTTL', L) < lease then redis.call('PEXPIRE', L, ARGV[2]) end
local life = math.max(grace, lease)
if redis.call('PTTL', B) < life then redis.call('PEXPIRE', B, string.format('%.0f', life)) end
return 1
