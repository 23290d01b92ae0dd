// Page faults by their owner, and by the frame that took them.

function showFaults() {
  const host = section("faults");
  const { unavailable, kernelCount, owners, frames } = profile.faults;
  if (unavailable) {
    host.append(emptyNote(`Page faults have no owners here: ${unavailable}.`));
    if (kernelCount > 0) {
      host.append(element("p", {}, `The kernel counted ${counted(kernelCount, "page fault")} for the observed threads.`));
    }
    return;
  }
  if (owners.length === 0) {
    host.append(emptyNote("No page faults: the observed threads took none."));
    return;
  }

  const most = largest(owners.map(({ count }) => count));
  const kinds = [...new Set(owners.map(({ kind }) => kind))];
  const colourOf = (kind) => seriesColour(kinds.indexOf(kind));
  host.append(
    lead(`${counted(sum(owners.map(({ count }) => count)), "page fault")} with an owner; the kernel counted ${countText(kernelCount)} for the same threads.`),
    table([
      { title: "Owner", key: (row) => row.kind, text: (row) => element("span", { class: "owner" }, swatch(colourOf(row.kind)), ` ${row.kind}`) },
      { title: "Name", key: (row) => row.name, text: (row) => row.name },
      { title: "Faults", number: true, key: (row) => row.count, text: (row) => countText(row.count) },
      { title: "", wide: true, text: (row) => meter([[row.count, colourOf(row.kind)]], most) },
      { title: "First at", text: (row) => row.callSite || "not known" },
    ], owners),
    element("h3", {}, "By frame"),
    frames.length === 0 ? emptyNote("No frame took a page fault.") : table([
      { title: "Frame", number: true, key: (row) => row.frame, text: (row) => countText(row.frame) },
      { title: "Owner", key: (row) => row.kind, text: (row) => element("span", { class: "owner" }, swatch(colourOf(row.kind)), ` ${row.kind}`) },
      { title: "Name", key: (row) => row.name, text: (row) => row.name },
      { title: "Faults", number: true, key: (row) => row.count, text: (row) => countText(row.count) },
    ], frames));
}
