// The profile's time: what is common to frames, memory and events, and the frames as they lie in it.

const frameColumn = (name) => profile.frames.columns[name] ?? [];

const frameTimes = frameColumn("nanoseconds");

/** When each frame began; where the profile does not say so, as if each followed the last. */
const frameStarts = (() => {
  const starts = frameColumn("start");
  if (starts.length === frameTimes.length) {
    return starts;
  }
  let now = 0;
  return frameTimes.map((time) => (now += time) - time);
})();

/** All charts over time have this axis. It begins with the frames that are kept, where earlier ones are not. */
const timeAxis = (() => {
  const { memory, events, frames, nanoseconds } = profile;
  const last = Math.max(nanoseconds, memory.times.at(-1) ?? 0, frameTimes.length > 0 ? frameStarts.at(-1) + frameTimes.at(-1) : 0, largest(events.map((event) => event.startNanoseconds + event.nanoseconds)));
  const axis = new Axis(0, Math.max(1, last), Math.min(last, 1000));
  if (frames.first > 0 && frameTimes.length > 1) {
    axis.show(frameStarts[0], frameStarts.at(-1) + frameTimes.at(-1));
  }
  return axis;
})();

/** The indexes of the frames that began in a range, the first and the one behind the last. */
const framesIn = ([from, to]) => {
  const first = indexAt(frameStarts, from);
  return [first, Math.max(first, indexAt(frameStarts, to + 1))];
};
