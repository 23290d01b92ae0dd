// How long frames took, which were hitches and why, and how their times are distributed.

const frameColumn = (name) => profile.frames.columns[name] ?? [];

const frameTimes = frameColumn("nanoseconds");

function showFrames() {
  const { frames, hitches, notes } = profile;
  const host = section("frames");
  const times = frameTimes;
  if (times.length === 0) {
    host.append(emptyNote("No frames: the program marked none by BeginFrame and EndFrame while it was profiled."));
    return;
  }

  host.append(lead(`${counted(frames.count, "frame")} in all`
    + (frames.count > times.length ? `, of which the last ${countText(times.length)} are drawn` : "")
    + `. A triangle marks a hitch: ${hitchMeaning()}. Drag to zoom; arrow keys move, + and − zoom, page up and down go from hitch to hitch.`));
  const { percentiles } = frames;
  const marks = hitches.map(({ frame }) => frame - frames.first).filter((index) => index >= 0 && index < times.length).sort((a, b) => a - b);
  const texts = new Map([...notes.map(({ frame, reason }) => [frame, reason]), ...hitches.map(({ frame, reason }) => [frame, `hitch: ${reason}`])]);
  const chart = new Chart({
    label: "Frame times", xs: Float64Array.from(times, (_, index) => frames.first + index),
    series: [{ name: "frame time", values: times, colour: seriesColour(0) }],
    hint: "Point at a frame, or move there by keyboard, to read what it did.", marks, text: timeText, xText: countText,
    guides: [[`budget (${rateText(frames.budgetNanoseconds)})`, frames.budgetNanoseconds || Infinity], ["p50", percentiles.p50], ["p99", percentiles.p99], ["p99.9", percentiles.p999]].map(([name, value]) => ({ value, text: `${name} ${timeText(value)}` })),
    logarithmic: percentiles.maximum > 20 * percentiles.p50,
    describe: (index) => frameText(index, texts),
  });
  const scale = choice("Scale", ["linear", "log"], chart.options.logarithmic ? "log" : "linear", (chosen) => {
    chart.options.logarithmic = chosen === "log";
    chart.draw();
  });
  host.append(element("div", { class: "toolbar" }, scale, element("span", { class: "space" }), ...chart.buttons), chart.plot, chart.readout,
    element("p", { class: "muted", id: "frame-meaning" }, "A frame's time is all that passed from BeginFrame to EndFrame on the thread that calls them, with what it waited for there."
      + (profile.frameMeaning ? ` ${profile.frameMeaning}` : "")));
  host.append(element("h3", {}, "Hitches"), hitchTable(chart));
  if (notes.length > 0) {
    host.append(element("h3", {}, "Other frames in which something happened"), noteTable(chart));
  }
  if (profile.lostEventCount > 0) {
    host.append(element("p", { class: "muted" }, `${counted(profile.lostEventCount, "earlier moment")} at which SuperSlabs came or went found no room in the profile.`));
  }
  host.append(element("h3", {}, "Distribution of frame times"));
  showHistogram(host);
}

function frameText(index, texts) {
  const { frames } = profile;
  const parts = [`frame ${countText(frames.first + index)}: ${timeText(frameTimes[index])}`];
  for (const { name, title, unit } of tables.frames.columns) {
    const value = frameColumn(name)[index];
    if (value > 0) {
      // "3 page faults", "1 collection", "12 KiB of managed bytes"
      parts.push(unit === "count" ? `${countText(value)} ${value === 1 ? title.replace(/s$/, "") : title}` : `${valueText(value, unit)} of ${title}`);
    }
  }
  const text = texts.get(frames.first + index);
  return parts.join(" · ") + (text ? ` · ${text}` : "");
}

const rateText = (nanoseconds) => `${digits(1e9 / nanoseconds)} Hz`;

function hitchMeaning() {
  const { budgetNanoseconds } = profile.frames;
  const slow = "among the slowest hundredth, one that took more than three times its neighbours' median";
  return budgetNanoseconds > 0
    ? `a frame over the budget of ${timeText(budgetNanoseconds)} (${rateText(budgetNanoseconds)}), or ${slow}`
    : `${slow}; no frame budget was set`;
}

/** What was cut of a list that the profile holds in part; undefined where nothing was. */
const cutText = (shown, found, rule) => found > shown ? `${countText(shown)} of ${countText(found)} shown: ${rule}` : undefined;

/** Which frames were searched, where not all were. */
const searched = () => profile.frames.count > frameTimes.length ? ` Earlier frames than the last ${countText(frameTimes.length)} were not kept and not searched.` : "";

function hitchTable(chart) {
  const { hitches, hitchCount } = profile;
  if (hitches.length === 0) {
    return emptyNote(`No hitch: ${profile.frames.budgetNanoseconds > 0 ? "no frame was over the budget, and " : ""}none took much longer than its neighbours.${searched()}`);
  }
  return frameTable(chart, "What is known of the reason", [...hitches].sort((a, b) => b.nanoseconds - a.nanoseconds), cutText(hitches.length, hitchCount, "the longest"));
}

const noteTable = (chart) => frameTable(chart, "What happened", profile.notes, cutText(profile.notes.length, profile.noteCount, "broken rules first, then the longest"));

function frameTable(chart, title, rows, caption) {
  const { frames } = profile;
  const goTo = (frame) => {
    chart.moveTo(frame - frames.first);
    chart.plot.focus();
  };
  const inChart = (frame) => frame >= frames.first && frame < frames.first + frameTimes.length;
  return table([
    { title: "Frame", number: true, key: (row) => row.frame, text: (row) => inChart(row.frame)
      ? element("button", { type: "button", class: "link", "aria-label": `Show frame ${row.frame} in the chart`, onclick: () => goTo(row.frame) }, countText(row.frame))
      : countText(row.frame) },
    { title: "Time", number: true, key: (row) => row.nanoseconds, text: (row) => timeText(row.nanoseconds) },
    { title: "Times the median", number: true, key: (row) => row.nanoseconds, text: (row) => frames.percentiles.p50 > 0 ? digits(row.nanoseconds / frames.percentiles.p50) : "–" },
    { title, text: (row) => row.reason },
  ], rows, caption, 8);
}

/** The buckets, put together to bars of equal width on a logarithmic scale. */
function histogramBars() {
  const { histogram } = profile.frames;
  const barOf = (nanoseconds) => Math.floor(8 * Math.log2(Math.max(1, nanoseconds)));
  const filled = histogram.filter(({ count }) => count > 0);
  const first = barOf(filled[0].fromNanoseconds);
  const bars = Array.from({ length: barOf(filled.at(-1).fromNanoseconds) - first + 1 }, (_, index) => ({ from: 2 ** ((first + index) / 8), to: 2 ** ((first + index + 1) / 8), count: 0 }));
  for (const { fromNanoseconds, count } of filled) {
    bars[barOf(fromNanoseconds) - first].count += count;
  }
  return bars;
}

function showHistogram(host) {
  if (!profile.frames.histogram.some(({ count }) => count > 0)) {
    host.append(emptyNote("No histogram: the profile has no buckets."));
    return;
  }
  const bars = histogramBars();
  const total = sum(bars.map(({ count }) => count));
  const most = largest(bars.map(({ count }) => count));
  const height = 120;
  let chosen = -1;
  const picture = shape("svg", { height: height + 20, "aria-hidden": "true" });
  const readout = element("output", { class: "readout" }, "Both axes are logarithmic: a single frame is seen beside a million.");
  const plot = element("div", {
    class: "plot", id: "histogram", tabindex: "0", role: "slider", "aria-label": "Distribution of frame times",
    "aria-valuemin": "0", "aria-valuemax": String(bars.length - 1), "aria-valuenow": "0", "aria-valuetext": "arrow keys move from bar to bar",
    onkeydown: (event) => {
      const target = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: bars.length - 1 }[event.key];
      if (target !== undefined) {
        event.preventDefault();
        choose(target);
      }
    },
    onpointermove: (event) => choose(Math.floor((event.clientX - plot.getBoundingClientRect().left) / plot.clientWidth * bars.length)),
  }, picture);

  function choose(index) {
    chosen = Math.max(0, Math.min(bars.length - 1, index));
    const { from, to, count } = bars[chosen];
    const below = sum(bars.slice(0, chosen + 1).map((bar) => bar.count));
    readout.textContent = `${timeText(from)} to ${timeText(to)}: ${counted(count, "frame")}; ${shareText(below, total)} of all frames took less than ${timeText(to)}`;
    plot.setAttribute("aria-valuenow", String(chosen));
    plot.setAttribute("aria-valuetext", readout.textContent);
    draw();
  }

  /** The bars whose times are written below, as many as there is room for. */
  function ticks(wide, width) {
    const room = 90;
    const step = Math.ceil(room / wide);
    return Array.from(bars.keys()).filter((index) => index % step === 0 && index * wide <= width - room / 2);
  }

  function draw() {
    const width = Math.max(200, plot.clientWidth || 900);
    const wide = width / bars.length;
    picture.setAttribute("viewBox", `0 0 ${width} ${height + 20}`);
    const tall = (count) => count === 0 ? 0 : 3 + (height - 6) * Math.log(count) / Math.log(Math.max(2, most));
    picture.replaceChildren(
      shape("line", { class: "grid", x1: 0, x2: width, y1: height, y2: height }),
      ...bars.map(({ count }, index) => shape("rect", {
        class: index === chosen ? "bar chosen" : "bar", x: index * wide + 0.5, width: Math.max(1, wide - 1), y: height - tall(count), height: tall(count),
      })),
      ...ticks(wide, width).map((index) => shape("text", { class: "tick", x: index * wide, y: height + 15 }, timeText(bars[index].from))));
  }

  new ResizeObserver(draw).observe(plot);
  host.append(plot, readout);
  draw();
}
