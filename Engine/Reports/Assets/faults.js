// Page faults by their owner, and by the frame that took them.

function showFaults() {
  const host = section("faults");
  const { unavailable, kernelCount } = profile.faults;
  const owners = tables.faults.rows;
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
  const ownerText = (row) => element("span", { class: "owner" }, swatch(colourOf(row.kind)), ` ${row.kind}`);
  host.append(
    lead(`${counted(sum(owners.map(({ count }) => count)), "page fault")} with an owner; the kernel counted ${countText(kernelCount)} for the same threads.`),
    engineTable("faults", { texts: { kind: ownerText, call_site: (row) => row.call_site || "not known" }, bar: (row) => meter([[row.count, colourOf(row.kind)]], most) }),
    element("h3", {}, "By frame"),
    tables["frame-faults"].rows.length === 0 ? emptyNote("No frame took a page fault.") : engineTable("frame-faults", { texts: { kind: ownerText } }));
}
