// The viewer: what a job got and what it wrote, side by side. Pictures come as PNG files from the API, which says with
// each one why it is a placeholder if it is one; they are kept as data: addresses, which the page's policy allows.

const KEPT = 120; // pictures, for scrolling back
const AHEAD = 3; // neighbours that are loaded before they are asked for
const PAGE = 10; // slices
const SETTLED = 60; // ms without movement before neighbours are loaded
const SLOW = 200; // ms before a picture that does not come shows that it is waited for
const AGAIN = 1500; // ms before a gateway that has too much to do is asked again

// Hounsfield units: good for CT alone.
const CT = [
  ["Abdomen", 40, 400],
  ["Lung", -600, 1500],
  ["Mediastinum", 50, 350],
  ["Bone", 400, 1800],
  ["Brain", 40, 80],
];

// --- pictures, as they come

class Store {
  #kept = new Map();

  /** The picture of an address: {source, why, note, window}. */
  get(address, signal) {
    const known = this.#kept.get(address);
    if (known && !known.aborted) {
      this.#kept.delete(address);
      this.#kept.set(address, known);
      return known;
    }
    const coming = this.#load(address, signal);
    this.#kept.set(address, coming);
    coming.then(
      (found) => found.passing && this.#kept.delete(address),
      () => this.#kept.delete(address),
    );
    signal?.addEventListener("abort", () => (coming.aborted = !coming.done));
    while (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
    return coming;
  }

  #load(address, signal) {
    const coming = this.#fetch(address, signal);
    coming.finally(() => (coming.done = true)).catch(() => {});
    return coming;
  }

  async #fetch(address, signal) {
    const answer = await fetch(address, { signal, credentials: "same-origin" });
    if (answer.status === 503) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
      signal?.throwIfAborted();
      return this.#fetch(address, signal);
    }
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail ?? `the gateway answered ${answer.status}`);
    const window = answer.headers.get("hilum-window")?.split(" ").map(Number);
    return {
      source: await dataAddress(await answer.blob()),
      why: answer.headers.get("hilum-placeholder") ?? "",
      note: answer.headers.get("hilum-note") ?? "",
      window: window?.length === 2 ? { center: window[0], width: window[1] } : null,
      passing: answer.headers.get("cache-control") === "no-store",
    };
  }
}

function dataAddress(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

// --- series

/** Every picture of a series in its order; what has none is there with its placeholder. */
function places(series) {
  return series.slices.flatMap((slice) =>
    Array.from({ length: Math.max(1, slice.why ? 1 : slice.frames) }, (_, at) => ({
      instance: slice["sop-instance"],
      frame: at + 1,
      why: slice.why,
    })),
  );
}

function titleOf(series) {
  const what = series.what.replace(/ Storage$/, "");
  const words = [what.startsWith(series.modality) ? "" : series.modality, what, series.description];
  if (series.number !== null) words.push(`series ${series.number}`);
  words.push(series.pictures ? `${series.pictures} ${series.pictures === 1 ? "picture" : "pictures"}` : "no picture");
  return words.filter(Boolean).join(", ");
}

// --- one of the two sides

class Pane {
  #at = 0;
  #places = [];
  #base = null;
  #window = null; // chosen; null: as the header says
  #shown = null; // the window of the picture that is shown
  #asking = null;
  #settling = 0;
  #layers = [];

  constructor(viewer, title, entries, store) {
    this.viewer = viewer;
    this.store = store;
    this.title = title;
    this.entries = entries;
    this.element = viewer.querySelector("template").content.cloneNode(true).firstElementChild;
    this.element.setAttribute("aria-label", title);
    this.stage = this.#one(".stage");
    this.picture = this.#one(".picture");
    this.slider = this.#one(".slider");
    this.#one(".pane-title").textContent = title;
    const select = this.#one(".series");
    entries.forEach(({ label }, at) => select.add(new Option(label, at)));
    select.addEventListener("change", () => this.choose(entries[select.value]));
    this.#listen();
  }

  #one(selector) {
    return this.element.querySelector(selector);
  }

  get series() {
    return this.#base;
  }

  get at() {
    return this.#at;
  }

  begin(at) {
    this.#one(".series").value = at;
    this.choose(this.entries[at]);
  }

  /** Show a series, or a segmentation on its source. */
  choose({ base, overlays, on }) {
    this.#base = base;
    this.#places = places(base);
    this.#window = null;
    this.slider.max = this.#places.length;
    this.slider.disabled = this.#places.length < 2;
    this.#offerWindows();
    this.#offerOverlays(overlays, on);
    const { start } = base;
    const middle = start && this.#places.findIndex((one) => one.instance === start["sop-instance"] && one.frame === start.frame);
    this.go(Math.max(0, middle ?? 0), false);
    this.chosen?.();
  }

  go(at, tell = true) {
    this.#at = Math.min(Math.max(at, 0), this.#places.length - 1);
    this.#show();
    if (tell) this.moved?.(this.#at);
  }

  #address(place, extra = {}) {
    const size = Math.min(1024, Math.ceil((this.stage.clientWidth * devicePixelRatio) / 128) * 128 || 512);
    const query = new URLSearchParams({ frame: place.frame, size });
    if (this.#window && !extra.overlay) {
      query.set("window-center", this.#window.center);
      query.set("window-width", this.#window.width);
    }
    for (const [name, value] of Object.entries(extra)) query.set(name, value);
    return `${this.viewer.dataset.pictures}/${this.#base.kind}/${place.instance}.png?${query}`;
  }

  #wanted(place) {
    const over = this.#layers.filter(({ box }) => box.checked && !place.why);
    return [
      { image: this.picture, address: this.#address(place) },
      ...over.map(({ image, instance }) => ({ image, address: this.#address(place, { overlay: instance, alone: true }) })),
    ];
  }

  async #show() {
    this.#asking?.abort();
    clearTimeout(this.#settling);
    const asking = (this.#asking = new AbortController());
    const place = this.#places[this.#at];
    const many = this.#places.length;
    this.slider.value = this.#at + 1;
    this.#one(".where").textContent = many > 1 ? `Slice ${this.#at + 1} of ${many}` : "One picture";
    this.slider.setAttribute("aria-valuetext", this.#one(".where").textContent);
    this.stage.setAttribute("aria-label", `${this.title}: ${titleOf(this.#base)}. Keys scroll.`);
    const slow = setTimeout(() => this.stage.setAttribute("aria-busy", "true"), SLOW);
    const wanted = this.#wanted(place);
    try {
      const found = await Promise.all(wanted.map(({ address }) => this.store.get(address, asking.signal)));
      if (asking.signal.aborted) return;
      const seen = wanted.filter(({ image }, index) => image === this.picture || !found[index].why);
      for (const { image } of this.#layers) if (!seen.some((one) => one.image === image)) image.removeAttribute("src");
      for (const one of seen) one.image.src = found[wanted.indexOf(one)].source;
      this.#tell(found);
      this.#settling = setTimeout(() => this.#ahead(), SETTLED);
    } catch (error) {
      if (!asking.signal.aborted) this.#fail(error);
    } finally {
      clearTimeout(slow);
      if (this.#asking === asking) this.stage.removeAttribute("aria-busy");
    }
  }

  /** What the pictures say of themselves, in words. */
  #tell([picture, ...layers]) {
    const said = [picture.why, picture.note, ...layers.flatMap((one) => [one.why, one.note])].filter(Boolean);
    this.#one(".trouble").hidden = true;
    this.#one(".why").textContent = [...new Set(said)].join("; ");
    const where = this.#one(".where").textContent;
    this.picture.alt = picture.why
      ? `No picture: ${picture.why}`
      : `${titleOf(this.#base)}: ${where}${layers.length ? ", with overlay" : ""}`;
    this.#shown = picture.window;
    const { activeElement } = document;
    for (const [name, value] of Object.entries(picture.window ?? {})) {
      const field = this.#one(`.${name}`);
      if (field !== activeElement) field.value = Math.round(value * 100) / 100;
    }
    this.#one(".windows").hidden = !picture.window && !this.#window; // colours have none
    this.stage.dataset.shown = `${this.#at + 1}`;
  }

  #fail(error) {
    const trouble = this.#one(".trouble");
    trouble.textContent = `This picture did not come: ${error.message}`;
    trouble.hidden = false;
    this.picture.removeAttribute("src");
    this.picture.alt = trouble.textContent;
    for (const { image } of this.#layers) image.removeAttribute("src");
  }

  #ahead() {
    for (let step = 1; step <= AHEAD; step += 1) {
      for (const at of [this.#at + step, this.#at - step]) {
        const place = this.#places[at];
        if (place) for (const { address } of this.#wanted(place)) this.store.get(address).catch(() => {});
      }
    }
  }

  // --- windows

  #offerWindows() {
    const select = this.#one(".preset");
    const proposed = this.#base.presets.map(({ name, center, width }) => [name || `${center} / ${width}`, center, width]);
    this.presets = [...proposed, ...(this.#base.modality === "CT" ? CT : [])];
    select.replaceChildren(new Option("As the header says", ""));
    this.presets.forEach(([name], at) => select.add(new Option(`${at + 1}: ${name}`, at)));
    select.add(new Option("Chosen by hand", "hand", false, false));
    select.lastElementChild.disabled = true;
    for (const name of ["center", "width"]) this.#one(`.${name}`).value = "";
  }

  #preset(at) {
    if (at !== "" && !this.presets[at]) return;
    const [, center, width] = at === "" ? [] : this.presets[at];
    this.#one(".preset").value = at;
    this.#setWindow(at === "" ? null : { center, width }, at);
  }

  #setWindow(window, preset = "hand") {
    this.#window = window;
    this.#one(".preset").value = preset;
    this.#show();
  }

  // --- overlays

  #offerOverlays(overlays, on) {
    for (const { image } of this.#layers) image.remove();
    const list = this.#one(".overlay-list");
    const segments = this.#one(".segments");
    list.replaceChildren();
    segments.replaceChildren();
    this.#one(".overlays").hidden = overlays.length === 0;
    this.#layers = overlays.map((overlay, at) => {
      const image = document.createElement("img");
      image.className = "layer";
      image.alt = "";
      image.draggable = false;
      this.stage.insertBefore(image, this.#one(".trouble"));
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = on;
      box.addEventListener("change", () => this.#show());
      label.append(box, overlays.length > 1 ? `Segmentation ${at + 1}` : "Show the segmentation");
      list.append(label);
      segments.append(...overlay.segments.map(segment));
      return { image, box, instance: overlay["sop-instance"] };
    });
    this.#fade();
  }

  #fade() {
    for (const { image } of this.#layers) image.style.opacity = this.#one(".opacity").value / 100;
  }

  // --- keys, wheel, drag

  #listen() {
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value) - 1));
    this.slider.addEventListener("keydown", (event) => this.#pageKeys(event));
    this.stage.addEventListener("keydown", (event) => this.#keys(event));
    this.#one(".preset").addEventListener("change", ({ target }) => this.#preset(target.value === "" ? "" : Number(target.value)));
    for (const name of ["center", "width"]) {
      this.#one(`.${name}`).addEventListener("change", () => {
        const [center, width] = ["center", "width"].map((one) => this.#one(`.${one}`).valueAsNumber);
        if (Number.isFinite(center) && width > 0) this.#setWindow({ center, width });
      });
    }
    this.#one(".opacity").addEventListener("input", () => this.#fade());
    let turned = 0;
    this.stage.addEventListener(
      "wheel",
      (event) => {
        if (event.ctrlKey || this.#places.length < 2) return;
        event.preventDefault();
        turned += event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY / 40 : event.deltaY;
        const steps = Math.trunc(turned);
        turned -= steps;
        if (steps) this.go(this.#at + steps);
      },
      { passive: false },
    );
    this.stage.addEventListener("pointerdown", (event) => this.#drag(event));
  }

  #pageKeys(event) {
    const step = { PageUp: -PAGE, PageDown: PAGE }[event.key];
    if (!step) return;
    event.preventDefault();
    this.go(this.#at + step);
  }

  #keys(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const steps = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, PageUp: -PAGE, PageDown: PAGE, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.go(this.#at + steps[event.key]);
    else if (event.key === "0") this.#preset("");
    else if (/^[1-9]$/.test(event.key)) this.#preset(Number(event.key) - 1);
    else if (event.key.toLowerCase() === "o") this.#switchOverlays();
    else return;
    event.preventDefault();
  }

  #switchOverlays() {
    const on = this.#layers.some(({ box }) => box.checked);
    for (const { box } of this.#layers) box.checked = !on;
    this.#show();
  }

  /** A mouse changes the window; a finger scrolls. */
  #drag(down) {
    if (down.button !== 0) return;
    const before = this.#window ?? this.#shown;
    const from = this.#at;
    const touch = down.pointerType === "touch";
    if (!touch && !before) return;
    this.stage.setPointerCapture(down.pointerId);
    const move = (event) => {
      const x = (event.clientX - down.clientX) / this.stage.clientWidth;
      const y = (event.clientY - down.clientY) / this.stage.clientHeight;
      if (touch) this.go(from + Math.round(x * Math.min(this.#places.length, 40)));
      else if (Math.abs(x) + Math.abs(y) > 0.01) {
        const width = Math.max(before.width * 4 ** x, 1e-3);
        this.#setWindow({ center: before.center + y * before.width, width });
      }
    };
    const end = () => {
      this.stage.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) this.stage.removeEventListener(name, end);
    };
    this.stage.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) this.stage.addEventListener(name, end);
  }
}

function segment({ number, label, colour }) {
  const item = document.createElement("li");
  const sample = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  sample.setAttribute("aria-hidden", "true");
  sample.style.background = colour;
  item.append(sample, label || `Segment ${number}`);
  return item;
}

// --- both sides

/** What a side can show: each series, and each segmentation on its source. */
function entriesOf(kind, all) {
  return all
    .filter((one) => one.kind === kind)
    .map((one) => {
      const source = one.source !== null && all.find((other) => other.kind === one["source-kind"] && other.series === one.source);
      if (!source) return { label: titleOf(one), base: one, overlays: one.overlays, on: false };
      const instance = one.slices[0]["sop-instance"];
      const overlays = source.overlays.filter((over) => over["sop-instance"] === instance);
      return { label: `${titleOf(one)}, on its source`, base: source, overlays, on: true };
    });
}

async function open(viewer) {
  const state = viewer.querySelector(".pictures-state");
  state.hidden = false;
  state.textContent = "Looking for what there is to be seen …";
  try {
    const answer = await fetch(viewer.dataset.pictures);
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.detail);
    const sides = [
      ["What it got", entriesOf("input", found)],
      ["What it wrote", entriesOf("result", found)],
    ].filter(([, entries]) => entries.length);
    state.textContent = sides.length ? "" : "There is nothing to be seen of this job: no instances are in its folder.";
    state.hidden = sides.length > 0;
    const store = new Store();
    const panes = sides.map(([title, entries]) => new Pane(viewer, title, entries, store));
    viewer.querySelector(".panes").replaceChildren(...panes.map((one) => one.element));
    link(viewer, panes);
    // What was found says more than any other result.
    for (const pane of panes) pane.begin(Math.max(0, pane.entries.findIndex(({ on }) => on)));
  } catch (error) {
    state.textContent = `What there is to be seen did not come: ${error.message}`;
  }
}

/** Two sides that show the same slices scroll together. */
function link(viewer, panes) {
  const together = viewer.querySelector(".together");
  const alike = () => panes.length === 2 && panes[0].series === panes[1].series && panes[0].series.pictures > 1;
  panes.forEach((pane, at) => {
    const other = panes[1 - at];
    pane.moved = (to) => alike() && together.querySelector("input").checked && other.go(to, false);
    pane.chosen = () => (together.hidden = !alike());
  });
}

for (const viewer of document.querySelectorAll("[data-pictures]")) {
  viewer.querySelector(".again").addEventListener("click", () => open(viewer));
  // Below what else a page says, it waits until somebody comes to look at it.
  const seen = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    open(viewer);
  });
  seen.observe(viewer);
}
