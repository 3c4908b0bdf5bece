-- Who has a lock. Whoever looks will hear of its end, or of the next grant.
-- KEYS: book, lease. ARGV: grace ms. Answers {fence or nothing, ms left, owner}, as text.
local B, L = KEYS[1], KEYS[2]
local h = redis.call('HMGET', B, 'n', 'owner', 'f')
local cur = redis.call('GET', L)
if not h[1] then
  -- A full store takes no flag: whoever looks has to look again.
  redis.pcall('HSET', B, 'n', 1)
  if redis.call('PTTL', B) < tonumber(ARGV[1]) then redis.call('PEXPIRE', B, ARGV[1]) end
end
if not cur then return { '', '0', '' } end
-- The one to beat: of a lock over several servers, the one they agreed upon. An evicted book has none.
local fence = h[3] or string.match(cur, '%d+$') or ''
return { fence, string.format('%.0f', redis.call('PTTL', L)), h[2] or '' }
