-- Tells the era of the namespace and those that it followed (a line: latest first, commas between); with
-- `purge`, or if what counts did not follow all that the caller knows of, a new one begins.
-- KEYS: era. ARGV: the line that the caller knows, eras that it knows of beside it, purge (1) or not (0),
-- ms to keep, channel. Answers the line; empty if there never was a purge of everything.
local K, MOST = KEYS[1], 16
local cur = redis.call('GET', K) or ''

local function read(text)
  local eras = {}
  -- What is not ours is no line: it is written over.
  if #text < 17 * MOST and string.match(text, '^[%d,]*$') then
    for digits in string.gmatch(text, '%d+') do
      if #digits < 17 and #eras < MOST then eras[#eras + 1] = tonumber(digits) end
    end
  end
  table.sort(eras, function(a, b) return a > b end)
  return eras
end

local function holds(eras, era)
  for _, one in ipairs(eras) do
    if one == era then return true end
  end
  return #eras == MOST and era < eras[MOST]
end

local stored, known, beside = read(cur), read(ARGV[1]), read(ARGV[2])
local one = #stored == 0 or #known == 0 or holds(stored, known[1]) or holds(known, stored[1])

local eras = {}
local function join(others)
  for _, era in ipairs(others) do
    if not holds(eras, era) then
      eras[#eras + 1] = era
      table.sort(eras, function(a, b) return a > b end)
      eras[MOST + 1] = nil
    end
  end
end
join(stored)
join(known)
for _, era in ipairs(beside) do
  one = one and holds(eras, era)
end
join(beside)

if ARGV[3] == '1' or not one then
  local T = redis.call('TIME')
  local us = T[1] * 1000000 + T[2]
  -- While an era is ahead of the clock, fences in it count up from there, by one each time that something
  -- is done to the entry. The next era has to be later than all of those.
  if eras[1] then us = math.max(us, eras[1] + 16384 + math.floor(math.max(0, eras[1] - us) / 16)) end
  table.insert(eras, 1, us)
  eras[MOST + 1] = nil
end

local texts = {}
for place, era in ipairs(eras) do
  texts[place] = string.format('%.0f', era)
end
local text = table.concat(texts, ',')
if text ~= cur and text ~= '' then
  -- Told by somebody who knew it before an eviction, a flush or a failover took it away, or new.
  -- The first write is one that a full store permits; what follows is then permitted too.
  redis.call('DEL', K)
  redis.call('SET', K, text, 'PX', ARGV[4])
  if eras[1] ~= stored[1] then redis.call('PUBLISH', ARGV[5], 'g:' .. text) end
end
return text
