// What is shown as tables with bars: arenas, tags, size classes, lanes, thread caches, policies and plans.

const liveColour = "var(--s0)";
const cachedColour = "color-mix(in srgb, var(--s0) 45%, var(--surface))";
const freeColour = "color-mix(in srgb, var(--ink) 18%, var(--surface))";
const wasteColour = "var(--warn)";

const budgetText = (bytes) => bytes > 0 ? bytesText(bytes) : "none";

function showArenas() {
  const host = section("arenas");
  if (profile.arenas.length === 0) {
    host.append(emptyNote("No arenas: none was alive when the profile was taken."));
    return;
  }
  const whole = largest(profile.arenas.map((row) => Math.max(row.superSlabs * superSlabBytes, row.hardBudget)));
  host.append(
    lead("The bar is what an arena holds: live blocks, free blocks in thread caches, and what is free in its SuperSlabs. A line marks a budget."),
    element("div", { class: "toolbar" }, legend([["live", liveColour], ["cached", cachedColour], ["free", freeColour]])),
    table([
      { title: "Arena", key: (row) => row.name, text: (row) => row.name },
      { title: "Kind", text: (row) => row.kind },
      { title: "SuperSlabs", number: true, key: (row) => row.superSlabs, text: (row) => countText(row.superSlabs) },
      { title: "", wide: true, text: (row) => meter([[row.liveBytes, liveColour], [row.cachedBytes, cachedColour],
        [row.superSlabs * superSlabBytes - row.liveBytes - row.cachedBytes, freeColour]], whole, [row.softBudget, row.hardBudget].filter((limit) => limit > 0)) },
      { title: "Live", number: true, key: (row) => row.liveBytes, text: (row) => bytesText(row.liveBytes) },
      { title: "Peak held", number: true, key: (row) => row.peakBytes, text: (row) => bytesText(row.peakBytes) },
      { title: "Soft budget", number: true, over: (row) => row.softOverruns > 0, text: (row) => overrunText(row.softBudget, row.softOverruns) },
      { title: "Hard budget", number: true, over: (row) => row.hardOverruns > 0, text: (row) => overrunText(row.hardBudget, row.hardOverruns) },
    ], profile.arenas));
}

const overrunText = (budget, overruns) => budgetText(budget) + (overruns > 0 ? `, ${countText(overruns)} × over` : "");

function showTags() {
  const host = section("tags");
  if (profile.tags.length === 0) {
    host.append(emptyNote("No tags: the program named none, or counters were off (the switch SuperSlab.Counters)."));
    return;
  }
  const whole = largest(profile.tags.map((row) => Math.max(row.peakBytes, row.budgetBytes)));
  host.append(
    lead("What was allocated while a tag was in force. The bar is live and peak; the line is the tag's budget."),
    table([
      { title: "Tag", key: (row) => row.name, text: (row) => row.name },
      { title: "", wide: true, text: (row) => meter([[row.liveBytes, liveColour], [row.peakBytes - Math.max(0, row.liveBytes), cachedColour]], whole, row.budgetBytes > 0 ? [row.budgetBytes] : []) },
      { title: "Live", number: true, key: (row) => row.liveBytes, text: (row) => bytesText(row.liveBytes) },
      { title: "Peak", number: true, key: (row) => row.peakBytes, over: (row) => row.budgetBytes > 0 && row.peakBytes > row.budgetBytes, text: (row) => bytesText(row.peakBytes) },
      { title: "Budget", number: true, key: (row) => row.budgetBytes, text: (row) => budgetText(row.budgetBytes) },
      { title: "Allocations", number: true, key: (row) => row.allocations, text: (row) => countText(row.allocations) },
      { title: "Frees", number: true, key: (row) => row.frees, text: (row) => countText(row.frees) },
    ], profile.tags));
}

function showClasses() {
  const host = section("classes");
  if (profile.classes.length === 0) {
    host.append(emptyNote("No size classes: no arena had divided a slab into blocks."));
    return;
  }
  const held = (row) => (row.live + row.free + row.cached) * row.blockBytes + row.wasteBytes;
  const arenas = [...new Set(profile.classes.map(({ arena }) => arena))];
  const place = element("div");
  const draw = (arena) => {
    const rows = profile.classes.filter((row) => arena === "all arenas" || row.arena === arena);
    const whole = largest(rows.map(held));
    place.replaceChildren(table([
      ...arena === "all arenas" ? [{ title: "Arena", key: (row) => row.arena, text: (row) => row.arena }] : [],
      { title: "Block", number: true, key: (row) => row.blockBytes, text: (row) => bytesText(row.blockBytes) },
      { title: "Live", number: true, key: (row) => row.live, text: (row) => countText(row.live) },
      { title: "Cached", number: true, key: (row) => row.cached, text: (row) => countText(row.cached) },
      { title: "Free", number: true, key: (row) => row.free, text: (row) => countText(row.free) },
      { title: "", wide: true, text: (row) => meter([[row.live * row.blockBytes, liveColour], [row.cached * row.blockBytes, cachedColour],
        [row.free * row.blockBytes, freeColour], [row.wasteBytes, wasteColour]], whole) },
      { title: "Held", number: true, key: held, text: (row) => bytesText(held(row)) },
      { title: "Used", number: true, key: (row) => row.live * row.blockBytes / held(row), text: (row) => shareText(row.live * row.blockBytes, held(row)) },
      { title: "Waste", number: true, key: (row) => row.wasteBytes, text: (row) => bytesText(row.wasteBytes) },
    ], rows, `${bytesText(sum(rows.map(held)))} in slabs, ${shareText(sum(rows.map((row) => row.live * row.blockBytes)), sum(rows.map(held)))} of it live`));
  };
  const picker = element("select", { "aria-label": "Arena", onchange: (event) => draw(event.target.value) },
    ...["all arenas", ...arenas].map((name) => element("option", { value: name }, name)));
  host.append(
    lead("How full the slabs of each block size are. Waste is memory that no block of the class can use."),
    element("div", { class: "toolbar" }, picker, legend([["live", liveColour], ["cached", cachedColour], ["free", freeColour], ["waste", wasteColour]])), place);
  draw("all arenas");
}

function showThreads() {
  const host = section("threads");
  const { lanes, threadCaches } = profile;
  host.append(element("h3", {}, "Lanes of frame arenas"));
  const widest = largest(lanes.map((row) => Math.max(row.capacityBytes, row.highWaterBytes)));
  host.append(lanes.length === 0 ? emptyNote("No lanes: there was no frame arena.") : table([
    { title: "Arena", key: (row) => row.arena, text: (row) => row.arena },
    { title: "Lane", number: true, key: (row) => row.lane, text: (row) => countText(row.lane) },
    { title: "", wide: true, text: (row) => meter([[row.usedBytes, liveColour], [row.highWaterBytes - row.usedBytes, cachedColour]], widest, [row.capacityBytes]) },
    { title: "Used", number: true, key: (row) => row.usedBytes, text: (row) => bytesText(row.usedBytes) },
    { title: "High water", number: true, key: (row) => row.highWaterBytes, over: (row) => row.highWaterBytes > row.capacityBytes, text: (row) => bytesText(row.highWaterBytes) },
    { title: "Capacity", number: true, key: (row) => row.capacityBytes, text: (row) => bytesText(row.capacityBytes) },
  ], lanes));
  host.append(element("h3", {}, "Thread caches"));
  const fullest = largest(threadCaches.map((row) => row.bytes));
  host.append(threadCaches.length === 0 ? emptyNote("No thread caches: no thread had allocated from a long-lived arena.") : table([
    { title: "Arena", key: (row) => row.arena, text: (row) => row.arena },
    { title: "Thread", key: (row) => row.thread, text: (row) => row.thread || `slot ${row.slot}` },
    { title: "", wide: true, text: (row) => meter([[row.bytes, cachedColour]], fullest) },
    { title: "Blocks", number: true, key: (row) => row.blocks, text: (row) => countText(row.blocks) },
    { title: "Bytes", number: true, key: (row) => row.bytes, text: (row) => bytesText(row.bytes) },
  ], threadCaches));
}

function showPolicies() {
  const host = section("policies");
  const isInForce = profile.policies.some(({ outcome }) => outcome === "in force");
  host.append(profile.policies.length === 0
    ? emptyNote("No policies: nothing was prefaulted.")
    : lead("How physical pages are put behind memory before it is used: tried in this order, checked on this machine, and left where the check failed."),
  profile.policies.length === 0 ? "" : table([
    { title: "Policy", text: (row) => row.name },
    { title: "Outcome", text: (row) => element("span", { class: `outcome-${row.outcome.replaceAll(" ", "-")}` }, row.outcome) },
    { title: "Reason", text: (row) => row.reason || (row.outcome === "not tried" && isInForce ? "an earlier one is in force" : "") },
  ], profile.policies));
}

function showPlans() {
  const host = section("plans");
  if (profile.plans.length === 0) {
    host.append(emptyNote("No plans: no scene was loaded by one."));
    return;
  }
  host.append(lead("What each scene's plan made ready, and the most of it that was in use."));
  for (const { scene, plannedBytes, usedBytes, suggestedPlan } of profile.plans) {
    const waste = Math.max(0, plannedBytes - usedBytes);
    host.append(element("h3", {}, scene), element("p", {},
      `${bytesText(plannedBytes)} planned, ${bytesText(usedBytes)} used, ${bytesText(waste)} (${shareText(waste, plannedBytes)}) never used`),
    meter([[usedBytes, liveColour], [waste, wasteColour]], Math.max(plannedBytes, usedBytes)));
    host.append(suggestedPlan ? suggestion(scene, suggestedPlan) : emptyNote("No suggested plan: the run recorded none."));
  }
}

function suggestion(scene, text) {
  const code = element("pre", { tabindex: "0", "aria-label": `Suggested plan of ${scene}` }, text);
  const status = element("span", { class: "muted", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
      status.textContent = "the browser gives no clipboard to this page; the plan is selected";
    }
  };
  return element("div", {}, element("div", { class: "toolbar" }, element("button", { type: "button", onclick: copy }, "Copy suggested plan"), status), code);
}
