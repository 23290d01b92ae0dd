// Puts the page together.

function showHead() {
  const { application, machine, began, nanoseconds } = profile;
  const name = application.replace(/^"?\S*[\\/]/, "");
  document.title = `${name} – Engine profile`;
  section("application").textContent = name;
  section("run").textContent = [machine, new Date(began).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }), timeText(nanoseconds)].join(" · ");
}

/** What a column came to: { sum, frames }, the frames that counted it. Undefined where none did. */
function frameTotal(name) {
  const values = frameColumn(name);
  return profile.frames.totals[name] ?? (values.length > 0 ? { sum: sum(values), frames: values.length } : undefined);
}

/** Which frames a number is of. */
function framesSeen(frames) {
  const { count } = profile.frames;
  if (frames === undefined) {
    return "";
  }
  if (frames === count) {
    return "in all frames";
  }
  return frames === frameTimes.length ? `in the last ${counted(frames, "frame")}` : `in ${countText(frames)} of ${counted(count, "frame")}, which counted`;
}

/** Good is only what no frame did, and what every frame looked for. */
const judgementOf = (count, frames) => count > 0 ? "bad" : frames === profile.frames.count ? "good" : undefined;

const ownedInFrames = () => sum(tables["frame-faults"].rows.map(({ count }) => count));

/** Owners are found for all observed threads, from a frame's begin to its end; a guard may count fewer threads, for less of the frame. */
const ownersNote = () => ownedInFrames() > 0 ? `${countText(ownedInFrames())} of all observed threads, with owners below` : "";

function showOverview() {
  const { frames, totals, hitches, faults } = profile;
  const facts = element("dl", { class: "facts" });
  const add = (title, value, note, judgement) => facts.append(element("div", {}, element("dt", {}, title),
    element("dd", { class: judgement }, value, note ? element("span", { class: "note" }, note) : undefined)));
  if (frameTimes.length > 0) {
    const { p50, p90, p99, p999, maximum } = frames.percentiles;
    add("Frames", countText(frames.count));
    add("Median frame", timeText(p50), `90 % below ${timeText(p90)}`);
    add("99 % below", timeText(p99), `99.9 % below ${timeText(p999)}`);
    add("Longest frame", timeText(maximum), p50 > 0 ? `${digits(maximum / p50)} × the median` : "");
    const hitchCount = Math.max(profile.hitchCount, hitches.length);
    add("Hitches", countText(hitchCount), framesSeen(frameTimes.length), judgementOf(hitchCount, frameTimes.length));
    if (frames.budgetNanoseconds > 0) {
      add("Over budget", countText(frames.overBudgetCount), `of all frames; ${timeText(frames.budgetNanoseconds)}, ${rateText(frames.budgetNanoseconds)}`, judgementOf(frames.overBudgetCount, frames.count));
    }
    for (const { name, title, unit } of tables.frames.columns.filter(({ isAlarm }) => isAlarm)) {
      const total = frameTotal(name);
      const note = [framesSeen(total?.frames), name === "page_faults" ? ownersNote() : ""].filter(Boolean).join("; ");
      add(title[0].toUpperCase() + title.slice(1), total ? valueText(total.sum, unit) : "not counted", note,
        judgementOf(total?.sum || (name === "page_faults" ? ownedInFrames() : 0), total?.frames));
    }
  }
  add("Held by arenas", bytesText(totals.ownedSuperSlabCount * superSlabBytes), counted(totals.ownedSuperSlabCount, "SuperSlab"));
  add("Ready", bytesText(totals.readySuperSlabCount * superSlabBytes), "prefaulted, no arena's");
  add("Resident", totals.residentBytes < 0 ? "not known" : bytesText(totals.residentBytes), `of ${bytesText(totals.mappedBytes)} reserved`);
  add("Own tables", bytesText(totals.metadataBytes));
  add("OS calls", countText(totals.osCallCount), `${timeText(totals.prefaultNanoseconds)} of prefaulting`);
  if (!faults.unavailable) {
    add("Faults with an owner", countText(sum(tables.faults.rows.map(({ count }) => count))), `of ${countText(faults.kernelCount)} counted`);
  }
  section("overview").append(facts);
}

showHead();
showContents();
showSearch();
showOverview();
showFrames();
showMemory();
showEvents();
showArenas();
showTags();
showCallSites();
showClasses();
showSuperSlabs();
showThreads();
showFaults();
showPolicies();
showPlans();
watchState();
