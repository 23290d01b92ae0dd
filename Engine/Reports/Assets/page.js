// Puts the page together.

function showHead() {
  const { application, machine, began, nanoseconds } = profile;
  const name = application.replace(/^"?\S*[\\/]/, "");
  document.title = `${name} – Engine profile`;
  section("application").textContent = name;
  section("run").textContent = [machine, new Date(began).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }), timeText(nanoseconds)].join(" · ");
}

function showOverview() {
  const { frames, totals, hitches, faults } = profile;
  const facts = element("dl", { class: "facts" });
  const add = (title, value, note, judgement) => facts.append(element("div", {}, element("dt", {}, title),
    element("dd", { class: judgement }, value, note ? element("span", { class: "note" }, note) : undefined)));
  if (frameTimes.length > 0) {
    const { p50, p90, p99, p999, maximum } = frames.percentiles;
    const zeroIsGood = (count) => count === 0 ? "good" : "bad";
    add("Frames", countText(frames.count));
    add("Median frame", timeText(p50), `90 % below ${timeText(p90)}`);
    add("99 % below", timeText(p99), `99.9 % below ${timeText(p999)}`);
    add("Longest frame", timeText(maximum), p50 > 0 ? `${digits(maximum / p50)} × the median` : "");
    add("Hitches", countText(hitches.length), "", zeroIsGood(hitches.length));
    for (const { name, title, unit } of tables.frames.columns.filter(({ isAlarm }) => isAlarm)) {
      const total = sum(frameColumn(name));
      add(title[0].toUpperCase() + title.slice(1), valueText(total, unit), "in all frames", zeroIsGood(total));
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

function showContents() {
  for (const heading of document.querySelectorAll("section > h2")) {
    section("contents").append(element("li", {}, element("a", { href: `#${heading.parentElement.id}` }, heading.textContent)));
  }
}

section("theme").addEventListener("change", (event) => {
  document.documentElement.dataset.theme = event.target.value;
});

showHead();
showContents();
showOverview();
showFrames();
showMemory();
showArenas();
showTags();
showClasses();
showSuperSlabs();
showThreads();
showFaults();
showPolicies();
showPlans();
