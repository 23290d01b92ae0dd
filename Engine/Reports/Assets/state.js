// What a link to the page names: the frame that is opened, the part of the time that is seen and the range that is selected, as in
// #frame=500&view=1200-3400&range=1300-1400, in nanoseconds.

const pageState = {
  frame: undefined, // an OpenedFrame, where there are frames
  timer: undefined,

  get hash() {
    const parts = [];
    if (this.frame && this.frame.index >= 0) {
      parts.push(`frame=${profile.frames.first + this.frame.index}`);
    }
    const range = (name, [from, to]) => parts.push(`${name}=${Math.round(from)}-${Math.round(to)}`);
    if (timeAxis.view[0] > timeAxis.first || timeAxis.view[1] < timeAxis.last) {
      range("view", timeAxis.view);
    }
    if (timeAxis.selection) {
      range("range", timeAxis.selection);
    }
    return parts.length > 0 ? `#${parts.join("&")}` : "";
  },

  /** Browsers allow a few changes of the address a second. */
  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => history.replaceState(null, "", this.hash || location.pathname + location.search), 300);
  },

  /** Reads the address; what it does not name, or names wrongly, stays. */
  read() {
    const named = new Map(location.hash.slice(1).split("&").map((part) => part.split("=")));
    const range = (name) => /^(\d+)-(\d+)$/.exec(named.get(name) ?? "")?.slice(1).map(Number);
    const view = range("view");
    if (view) {
      timeAxis.show(...view);
    }
    if (range("range")) {
      timeAxis.select(range("range"));
    }
    if (/^\d+$/.test(named.get("frame") ?? "")) {
      this.openFrame(Number(named.get("frame")) - profile.frames.first, view !== undefined);
    }
  },

  /** Opens a frame and goes there. */
  openFrame(index, keepsView = true) {
    if (!keepsView && frameTimes[index] !== undefined) {
      const around = 60 * Math.max(profile.frames.percentiles.p50, 1000);
      timeAxis.show(frameStarts[index] - around, frameStarts[index] + frameTimes[index] + around);
    }
    this.frame?.open(index);
    section("frames").scrollIntoView();
  },

  async copyLink(status) {
    const link = location.href.split("#")[0] + this.hash;
    try {
      await navigator.clipboard.writeText(link);
      status.textContent = "copied";
    } catch {
      status.textContent = "the browser gives no clipboard to this page; the link is in the address";
    }
  },
};

function watchState() {
  pageState.read();
  timeAxis.onChange(() => pageState.changed());
  addEventListener("hashchange", () => pageState.read());
}
