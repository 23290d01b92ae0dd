// Puts the page together.

function showHead() {
  const { application, machine, began, nanoseconds } = profile;
  const name = application.replace(/^"?\S*[\\/]/, "");
  document.title = `${name} – Engine profile`;
  section("application").textContent = name;
  section("run").textContent = [machine, new Date(began).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }), timeText(nanoseconds)].join(" · ");
}

function showOverview() {
  const { frames, reservation, hitches, faults } = profile;
  const facts = element("dl", { class: "facts" });
  const add = (title, value, note, judgement) => facts.append(element("div", {}, element("dt", {}, title),
    element("dd", { class: judgement }, value, note ? element("span", { class: "note" }, note) : undefined)));
  if (frames.nanoseconds.length > 0) {
    const { p50, p90, p99, p999, maximum } = frames.percentiles;
    const zeroIsGood = (count) => count === 0 ? "good" : "bad";
    const inFrames = (column, title, text) => column.length > 0 && add(title, text(sum(column)), "in all frames", zeroIsGood(sum(column)));
    add("Frames", countText(frames.count));
    add("Median frame", timeText(p50), `90 % below ${timeText(p90)}`);
    add("99 % below", timeText(p99), `99.9 % below ${timeText(p999)}`);
    add("Longest frame", timeText(maximum), p50 > 0 ? `${digits(maximum / p50)} × the median` : "");
    add("Hitches", countText(hitches.length), "", zeroIsGood(hitches.length));
    inFrames(frames.pageFaults, "Page faults", countText);
    inFrames(frames.managedBytes, "Managed bytes", bytesText);
    inFrames(frames.collections, "Collections", countText);
    inFrames(frames.overflows, "Lane overflows", countText);
  }
  add("Held by arenas", bytesText(reservation.ownedSuperSlabs * superSlabBytes), counted(reservation.ownedSuperSlabs, "SuperSlab"));
  add("Ready", bytesText(reservation.readySuperSlabs * superSlabBytes), "prefaulted, no arena's");
  add("Resident", reservation.residentBytes < 0 ? "not known" : bytesText(reservation.residentBytes), `of ${bytesText(reservation.mappedBytes)} reserved`);
  add("Own tables", bytesText(reservation.metadataBytes));
  add("OS calls", countText(reservation.osCalls), `${timeText(reservation.prefaultNanoseconds)} of prefaulting`);
  if (!faults.unavailable) {
    add("Faults with an owner", countText(sum(faults.owners.map(({ count }) => count))), `of ${countText(faults.kernelCount)} counted`);
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
