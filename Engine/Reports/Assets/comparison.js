// Two profiles side by side: A is the one that B is held against. Rows come in order, the largest regression first.

const comparison = JSON.parse(document.getElementById("comparison").textContent);

const ofVerdict = (verdict) => comparison.rows.filter((row) => row.verdict === verdict);

const plainName = (application) => application.replace(/^"?\S*[\\/]/, "");

/** A value that may be a fraction, as a rate of counts is. */
const amountText = (value, unit) => value === null ? "not known" : unit === "count" && !Number.isInteger(value) ? digits(value) : valueText(value, unit);

const signed = (value, text) => value < 0 ? `−${text(-value)}` : `+${text(value)}`;

const changeText = ({ before, after, unit }) => before === null || after === null ? "–" : before === after ? "0" : signed(after - before, (value) => amountText(value, unit));

/** The change as a share of what all rows of the measure were. */
function growthText({ before, after, whole }) {
  if (before === null || after === null || before === after) {
    return "–";
  }
  return whole === 0 ? "from 0" : signed(100 * (after - before) / whole, (value) => `${digits(value)} %`);
}

const growthKey = ({ before, after, whole }) => before === null || after === null ? 0 : whole === 0 ? Math.sign(after - before) * Number.MAX_VALUE : (after - before) / whole;

const rowTable = (name, rows) => table([
  { title: "What", name: "group", key: (row) => row.group, text: (row) => row.group },
  { title: "Name", name: "name", key: (row) => row.name, text: (row) => row.name },
  { title: "Measure", name: "measure", key: (row) => row.measure, text: (row) => row.measure },
  { title: "A", name: "a", number: true, key: (row) => row.before ?? -1, raw: (row) => row.before, text: (row) => amountText(row.before, row.unit) },
  { title: "B", name: "b", number: true, key: (row) => row.after ?? -1, raw: (row) => row.after, text: (row) => amountText(row.after, row.unit) },
  { title: "Change", number: true, key: (row) => (row.after ?? 0) - (row.before ?? 0), text: changeText },
  { title: "Of the whole", number: true, key: growthKey, text: growthText },
], rows, name);

function showSummary() {
  const { before, after } = comparison;
  const [a, b] = [plainName(before.application), plainName(after.application)];
  const [programA, programB] = [a.split(" ")[0], b.split(" ")[0]];
  const title = a === b ? a : programA === programB ? `${programA}, twice` : `${programA} and ${programB}`;
  document.title = `${title} – two engine profiles`;
  section("application").textContent = title;
  const sides = [["A, before", before], ["B, after", after]];
  const facts = element("dl", { class: "facts" });
  const add = (name, value, judgement) => facts.append(element("div", {}, element("dt", {}, name), element("dd", { class: judgement }, value)));
  add("Worse", countText(ofVerdict("worse").length), ofVerdict("worse").length > 0 ? "bad" : "good");
  add("Better", countText(ofVerdict("better").length));
  add("Not known", countText(ofVerdict("unknown").length));
  add("The same", countText(ofVerdict("same").length));
  section("summary").append(
    table([
      { title: "", text: ([name]) => name },
      { title: "Program", text: ([, side]) => plainName(side.application) },
      { title: "Frames", number: true, text: ([, side]) => countText(side.frames) },
      { title: "Began", text: ([, side]) => new Date(side.began).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) },
      { title: "Machine", text: ([, side]) => side.machine },
    ], sides, "the two profiles"), facts);
  if (before.machine !== after.machine) {
    section("summary").append(emptyNote("The machines differ, so times tell little."));
  }
}

function showRows() {
  const worse = ofVerdict("worse");
  section("worse").append(...worse.length === 0 ? [emptyNote("Nothing is worse in B.")] : [
    lead("The largest regression first: by what the change is of the whole, which is what all rows of the measure came to in A. What was 0 and is not comes before all. What frames do is compared for each frame, or for each 1,000."),
    rowTable("worse", worse)]);
  const better = ofVerdict("better");
  section("better").append(better.length === 0 ? emptyNote("Nothing is better in B.") : rowTable("better", better));
  const rest = [...ofVerdict("unknown"), ...ofVerdict("same")];
  section("rest").append(...rest.length === 0 ? [emptyNote("Everything is known, and has changed.")] : [
    lead("Not known is what one of the profiles did not count. Times that differ by at most 3 % are the same: percentiles are no finer. So are estimates from samples that differ by at most three standard deviations."), rowTable("not known or the same", rest)]);
}

/** The times that shares of the frames do not exceed, from 0 to 100 % in tenths of a percent: each bucket's begin. */
function timesByShare(histogram, shares) {
  const total = sum(histogram.map(([, count]) => count));
  let bucket = 0;
  let below = 0;
  return shares.map((share) => {
    while (bucket < histogram.length - 1 && below + histogram[bucket][1] < total * share / 100) {
      below += histogram[bucket][1];
      bucket++;
    }
    return histogram[bucket][0];
  });
}

function showTimes() {
  const { before, after } = comparison;
  if (before.histogram.length === 0 || after.histogram.length === 0) {
    section("times").append(emptyNote("No frame times: one of the profiles has no frames."));
    return;
  }
  const shares = Array.from({ length: 1001 }, (_, index) => index / 10);
  const series = [["A", before, 0], ["B", after, 1]].map(([name, { histogram }, colour]) => ({ name, values: timesByShare(histogram, shares), colour: seriesColour(colour) }));
  const chart = new Chart({
    label: "Frame times by share of the frames", xs: shares, series, text: timeText, xText: (share) => `${digits(share)} %`,
    logarithmic: largest(series.flatMap(({ values }) => values)) > 20 * series[0].values[500],
    describe: (index) => `${digits(shares[index])} % of the frames took at most about ${series.map(({ name, values }) => `${timeText(values[index])} in ${name}`).join(", ")}`,
  });
  section("times").append(
    lead("How long frames took: of A and B, the time that a share of the frames does not exceed."),
    element("div", { class: "toolbar" }, legend(series.map(({ name, colour }) => [name, colour])), element("span", { class: "space" }), ...chart.buttons), chart.plot, chart.readout);
}

showSummary();
showRows();
showTimes();
showContents();
