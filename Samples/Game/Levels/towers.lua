-- Falling blocks count more the faster they follow each other; every second the most fallen tower is built again.
local recent = {}
local now = 0

function step(number, actors, score)
  now = number
  while recent[1] and recent[1].at < now - 120 do
    table.remove(recent, 1)
  end
  return number % 60 == 0 and 1 or 0, 34
end

function hit(tower)
  recent[#recent + 1] = { at = now, tower = tower }
  return 10 * math.min(#recent, 8)
end
