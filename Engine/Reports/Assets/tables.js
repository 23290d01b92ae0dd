// What is shown as tables with bars: arenas, tags, size classes, lanes, thread caches, policies and plans.

const liveColour = "var(--s0)";
const cachedColour = "color-mix(in srgb, var(--s0) 45%, var(--surface))";
const freeColour = "color-mix(in srgb, var(--ink) 18%, var(--surface))";
const wasteColour = "var(--warn)";

const isGiven = (limit) => limit !== null;

function showArenas() {
  const host = section("arenas");
  const { rows } = tables.arenas;
  if (rows.length === 0) {
    host.append(emptyNote("No arenas: none was alive when the profile was taken."), ...disposedArenas());
    return;
  }
  const held = (row) => row.superslabs * superSlabBytes;
  const whole = largest(rows.map((row) => Math.max(held(row), row.hard_budget)));
  host.append(
    lead("The bar is what an arena holds: live blocks, free blocks in thread caches, and what is free in its SuperSlabs. A line marks a budget."),
    element("div", { class: "toolbar" }, legend([["live", liveColour], ["cached", cachedColour], ["free", freeColour]])),
    engineTable("arenas", {
      bar: (row) => meter([[row.live_bytes, liveColour], [row.cached_bytes, cachedColour],
        [held(row) - row.live_bytes - row.cached_bytes - row.absent_bytes, freeColour]],
        whole, [row.soft_budget, row.hard_budget].filter(isGiven)),
    }), ...disposedArenas());
}

/** Arenas of earlier levels: no longer there, but their peaks are what the next run needs. */
function disposedArenas() {
  const { rows } = tables["disposed-arenas"];
  const whole = largest(rows.map((row) => row.peak_bytes));
  return rows.length === 0 ? [] : [
    element("h3", {}, "Disposed before the profile was taken"),
    engineTable("disposed-arenas", { bar: (row) => meter([[row.peak_bytes, cachedColour]], whole) })];
}

function showTags() {
  const host = section("tags");
  const { rows } = tables.tags;
  if (rows.length === 0) {
    host.append(emptyNote("No tags: the program named none, or counters were off (the switch SuperSlab.Counters)."));
    return;
  }
  const whole = largest(rows.map((row) => Math.max(row.allocated_bytes, row.freed_bytes)));
  const { unavailable, liveSampleCount } = profile.callSites;
  const estimates = unavailable ? "" : ` Live bytes are estimated from ${counted(liveSampleCount, "sample")} of blocks allocated since sampling began, by the tag that allocated them; ± is one standard deviation.`;
  host.append(
    lead(`What was allocated and freed while a tag was in force, since counting began. A block counts as freed under the tag that frees it, so the difference is not what lives under a tag.${estimates}`),
    element("div", { class: "toolbar" }, legend([["allocated", liveColour]])),
    engineTable("tags", { hidden: unavailable ? ["live_estimate", "live_deviation"] : [], bar: (row) => meter([[row.allocated_bytes, liveColour]], whole) }));
}

function showClasses() {
  const host = section("classes");
  const all = tables.classes.rows;
  if (all.length === 0) {
    host.append(emptyNote("No size classes: no arena had divided a slab into blocks."));
    return;
  }
  const live = (row) => row.live * row.block_bytes;
  const held = (row) => (row.live + row.free + row.cached) * row.block_bytes + row.waste_bytes;
  const arenas = [...new Set(all.map(({ arena }) => arena))];
  const place = element("div");
  const draw = (arena) => {
    const rows = all.filter((row) => arena === "all arenas" || row.arena === arena);
    const whole = largest(rows.map(held));
    place.replaceChildren(engineTable("classes", {
      rows, hidden: arena === "all arenas" ? [] : ["arena"],
      caption: `${bytesText(sum(rows.map(held)))} in slabs, ${shareText(sum(rows.map(live)), sum(rows.map(held)))} of it live`,
      bar: (row) => meter([[live(row), liveColour], [row.cached * row.block_bytes, cachedColour], [row.free * row.block_bytes, freeColour],
        [row.waste_bytes, wasteColour]], whole),
      extra: [
        { title: "Held", number: true, key: held, text: (row) => bytesText(held(row)) },
        { title: "Used", number: true, key: (row) => live(row) / held(row), text: (row) => shareText(live(row), held(row)) },
      ],
    }));
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
  const lanes = tables.lanes.rows;
  const caches = tables["thread-caches"].rows;
  host.append(element("h3", {}, "Lanes of frame arenas"));
  const widest = largest(lanes.map((row) => Math.max(row.capacity_bytes, row.high_water_bytes)));
  host.append(lanes.length === 0 ? emptyNote("No lanes: there was no frame arena.") : engineTable("lanes", {
    bar: (row) => meter([[row.used_bytes, liveColour], [row.high_water_bytes - row.used_bytes, cachedColour]], widest, [row.capacity_bytes]),
    over: { high_water_bytes: (row) => row.high_water_bytes > row.capacity_bytes },
  }));
  host.append(element("h3", {}, "Thread caches"));
  const fullest = largest(caches.map((row) => row.bytes));
  host.append(caches.length === 0 ? emptyNote("No thread caches: no thread had allocated from a long-lived arena.") : engineTable("thread-caches", {
    bar: (row) => meter([[row.bytes, cachedColour]], fullest),
  }));
}

function showPolicies() {
  const host = section("policies");
  const isInForce = profile.policies.some(({ outcome }) => outcome === "in force");
  host.append(profile.policies.length === 0
    ? emptyNote("No policies: nothing was prefaulted.")
    : lead("How physical pages are put behind memory before it is used: tried in this order, checked on this machine, and left where the check failed."),
  profile.policies.length === 0 ? "" : table([
    { title: "Policy", name: "name", key: (row) => row.name, text: (row) => row.name },
    { title: "Outcome", text: (row) => element("span", { class: `outcome-${row.outcome.replaceAll(" ", "-")}` }, row.outcome) },
    { title: "Reason", text: (row) => row.reason || (row.outcome === "not tried" && isInForce ? "an earlier one is in force" : "") },
  ], profile.policies, "policies"));
}

function showPlans() {
  const host = section("plans");
  if (profile.plans.length === 0) {
    host.append(emptyNote("No plans: the profiler was told of no load (Profiler.NoteLoad)."));
    return;
  }
  host.append(
    lead("What each scene's plan made ready, and the most of it that was in use; of a plan that was loaded several times, in the load that took the most. A plan that fits has room left in its slabs and SuperSlabs: blocks of a size share slabs, and arenas and lanes take whole SuperSlabs of 2 MiB."),
    element("div", { class: "toolbar" }, legend([["blocks and frames at their peaks", liveColour], ["room in the SuperSlabs that they took", freeColour], ["SuperSlabs never taken", wasteColour]])));
  for (const { scene, plannedBytes, usedBytes, takenBytes, suggestedPlan } of profile.plans) {
    const room = Math.max(0, takenBytes - usedBytes);
    const waste = Math.max(0, plannedBytes - usedBytes - room);
    const taken = takenBytes > 0 ? `${bytesText(takenBytes)} taken in whole SuperSlabs, for ${bytesText(usedBytes)} of blocks and frames at their peaks` : `${bytesText(usedBytes)} of blocks and frames at their peaks`;
    const verdict = takenBytes === 0 ? "" : waste > 0 ? `; ${bytesText(waste)} (${shareText(waste, plannedBytes)}) never taken` : takenBytes > plannedBytes ? `; ${bytesText(takenBytes - plannedBytes)} more than planned` : "; the plan fits";
    host.append(element("h3", {}, scene), element("p", {}, `${bytesText(plannedBytes)} planned; ${taken}${verdict}`),
    meter([[usedBytes, liveColour], [room, freeColour], [waste, wasteColour]], Math.max(plannedBytes, usedBytes + room)));
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
