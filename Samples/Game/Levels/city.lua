-- Higher floors count more; a building is built again every two thirds of a second.
local floors = {}

function step(number, actors, score)
  return number % 40 == 0 and 1 or 0, 42
end

function hit(floor)
  local name = 'floor ' .. floor
  floors[name] = (floors[name] or 0) + 1
  return 1 + floor
end
