-- The swarm is filled up again in waves, and shots get stronger with the score.
local waves = {}

function step(number, actors, score)
  if number % 50 == 0 then
    waves[#waves % 16 + 1] = { at = number, missing = 20000 - actors }
  end
  return number % 5 == 0 and 120 or 0, 50 + math.min(score / 1000, 30)
end

function hit(kind)
  return 1
end
