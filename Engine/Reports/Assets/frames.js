// How long frames took, which were hitches and why, and how their times are distributed.

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
    + `. A triangle marks a hitch: ${hitchMeaning()}. A click or Enter opens a frame, a drag selects a range; all charts over time are zoomed together.`), keyHelp());
  const { percentiles } = frames;
  const marks = hitches.map(({ frame }) => frame - frames.first).filter((index) => index >= 0 && index < times.length).sort((a, b) => a - b);
  const texts = new Map([...notes.map(({ frame, reason }) => [frame, reason]), ...hitches.map(({ frame, reason }) => [frame, `hitch: ${reason}`])]);
  const csvHeading = ["frame", "start", "nanoseconds", ...tables.frames.columns.map(({ name }) => name)];
  const pause = 20 * (frameStarts.at(-1) - frameStarts[0]) / times.length;
  const chart = new Chart({
    label: "Frame times", xs: frameStarts, axis: timeAxis,
    series: [{ name: "frame time", values: times, colour: seriesColour(0) }],
    open: (index) => opened.open(index), csv: () => [csvHeading, frameRows(csvHeading, 0, times.length)],
    isApart: (index) => index > 0 && frameStarts[index] - frameStarts[index - 1] - times[index - 1] > pause,
    hint: "Point at a frame, or move there by keyboard, to read what it did.", marks, text: timeText, xText: momentText,
    guides: [[`budget (${rateText(frames.budgetNanoseconds)})`, frames.budgetNanoseconds || Infinity], ["p50", percentiles.p50], ["p99", percentiles.p99], ["p99.9", percentiles.p999]].map(([name, value]) => ({ value, text: `${name} ${timeText(value)}` })),
    logarithmic: percentiles.maximum > 20 * percentiles.p50,
    describe: (index) => frameText(index, texts),
  });
  const opened = pageState.frame = new OpenedFrame(chart, texts);
  const scale = choice("Scale", ["linear", "log"], chart.options.logarithmic ? "log" : "linear", (chosen) => {
    chart.options.logarithmic = chosen === "log";
    chart.draw();
  });
  host.append(element("div", { class: "toolbar" }, scale, element("span", { class: "space" }), ...chart.buttons), ...lanesAbove("Events above frames"), chart.plot, chart.readout, opened.host, selectionPanel(),
    element("p", { class: "muted", id: "frame-meaning" }, "A frame's time is all that passed from BeginFrame to EndFrame on the thread that calls them, with what it waited for there."
      + (profile.frameMeaning ? ` ${profile.frameMeaning}` : "")));
  host.append(element("h3", {}, "Hitches"), hitchTable());
  if (notes.length > 0) {
    host.append(element("h3", {}, "Other frames in which something happened"), noteTable());
  }
  host.append(element("h3", {}, "Distribution of frame times"));
  showHistogram(host);
}

/** The keys of the charts over time, for who looks for them. */
const keyHelp = () => element("details", { class: "keys" }, element("summary", {}, "Keys"), element("ul", {}, ...[
  ["← →", "move the cursor; with Shift, by tens"], ["Enter", "opens the frame; in it, ← → go on and Escape closes"], ["Page Up, Page Down", "from hitch to hitch"],
  ["W S", "zoom, as + − and the wheel do on a chart that has the focus, or with Ctrl"], ["A D", "move along, as Shift and the wheel do"], ["[ ]", "select from or to the cursor"],
  ["0, Escape", "show everything; Escape clears a selection first"], ["/", "search"],
].map(([keys, text]) => element("li", {}, element("kbd", {}, keys), ` ${text}`))));

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

function hitchTable() {
  const { hitches, hitchCount } = profile;
  if (hitches.length === 0) {
    return emptyNote(`No hitch: ${profile.frames.budgetNanoseconds > 0 ? "no frame was over the budget, and " : ""}none took much longer than its neighbours.${searched()}`);
  }
  return frameTable("What is known of the reason", [...hitches].sort((a, b) => b.nanoseconds - a.nanoseconds), cutText(hitches.length, hitchCount, "the longest"));
}

const noteTable = () => frameTable("What happened", profile.notes, cutText(profile.notes.length, profile.noteCount, "broken rules first, then the longest"));

function frameTable(title, rows, caption) {
  const { frames } = profile;
  const inChart = (frame) => frame >= frames.first && frame < frames.first + frameTimes.length;
  return table([
    { title: "Frame", name: "frame", number: true, key: (row) => row.frame, text: (row) => inChart(row.frame)
      ? element("button", { type: "button", class: "link", "aria-label": `Open frame ${countText(row.frame)}`, onclick: () => pageState.openFrame(row.frame - frames.first) }, countText(row.frame))
      : countText(row.frame) },
    { title: "Time", name: "nanoseconds", number: true, key: (row) => row.nanoseconds, text: (row) => timeText(row.nanoseconds) },
    { title: "Times the median", number: true, key: (row) => row.nanoseconds, text: (row) => frames.percentiles.p50 > 0 ? digits(row.nanoseconds / frames.percentiles.p50) : "–" },
    { title, name: "reason", key: (row) => row.reason, text: (row) => row.reason },
  ], rows, title.toLowerCase(), { caption, rowsShown: 8 });
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
    const width = widthOf(plot);
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

  redrawWithWidth(plot, draw);
  host.append(plot, readout);
  draw();
}
