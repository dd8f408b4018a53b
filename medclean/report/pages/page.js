"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

  // Ratings: kept by the browser where it may, else until the page is closed.
  const shelf = "medclean-report:" + data.page;
  let ratings = {};
  try { ratings = JSON.parse(localStorage.getItem(shelf)) || {}; } catch { ratings = {}; }
  const keep = () => { try { localStorage.setItem(shelf, JSON.stringify(ratings)); } catch { /* private window */ } };
  const nameOf = field => field.dataset.series + "\t" + field.dataset.method;

  function show(field) {
    const said = ratings[nameOf(field)] || {};
    for (const radio of all("input[type=radio]", field)) radio.checked = radio.value === String(said.rating || "");
    field.querySelector("input[type=text]").value = said.note || "";
    for (const row of all("#cohort tbody tr")) {
      const own = row.dataset.series === field.dataset.series && (row.dataset.method || "") === field.dataset.method;
      if (own) row.querySelector(".rated").textContent = said.rating || "–";
    }
  }
  function rate(field, change) {
    ratings[nameOf(field)] = { ...ratings[nameOf(field)], ...change };
    keep();
    show(field);
  }
  const fields = all(".rating");
  for (const field of fields) {
    show(field);
    field.addEventListener("change", event => {
      if (event.target.type === "radio") rate(field, { rating: Number(event.target.value) });
      else rate(field, { note: event.target.value });
    });
  }
  function exported() {
    const clean = text => String(text || "").replace(/[\t\r\n]+/g, " ");
    const rows = fields.map(field => {
      const said = ratings[nameOf(field)] || {};
      return [field.dataset.series, field.dataset.modality, field.dataset.method, said.rating, said.note].map(clean).join("\t");
    });
    return ["series\tmodality\tmethod\trating\tnote", ...rows].join("\n") + "\n";
  }
  const button = document.getElementById("export");
  if (button) button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([exported()], { type: "text/tab-separated-values" }));
    link.download = "ratings.tsv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    toast(fields.filter(f => (ratings[nameOf(f)] || {}).rating).length + " of " + fields.length + " rated");
  });
  function toast(text) {
    const box = document.createElement("p");
    box.className = "toast";
    box.setAttribute("role", "status");
    box.textContent = text;
    document.body.append(box);
    setTimeout(() => box.remove(), 2500);
  }

  // The index: sorted, filtered, paged.
  const table = document.getElementById("cohort");
  const PAGE = 50;
  if (table) {
    const body = table.tBodies[0], rows = [...body.rows];
    const heads = all("thead th", table);
    let at = 0;
    const valueOf = id => (document.getElementById(id) || {}).value || "";
    function kept(row) {
      const words = valueOf("find").toLowerCase().split(/\s+/).filter(Boolean);
      const text = words.length ? row.textContent.toLowerCase() : "";
      return words.every(word => text.includes(word))
        && ["modality", "status", "verdict", "method"].every(name => !valueOf("by-" + name) || row.dataset[name] === valueOf("by-" + name));
    }
    function draw() {
      const there = [...body.rows].filter(row => { const stays = kept(row); row.classList.toggle("off", !stays); return stays; });
      at = Math.max(0, Math.min(at, Math.ceil(there.length / PAGE) - 1));
      there.forEach((row, n) => row.classList.toggle("away", n < at * PAGE || n >= (at + 1) * PAGE));
      document.getElementById("pager").hidden = there.length <= PAGE && there.length === rows.length;
      document.getElementById("earlier").disabled = at === 0;
      document.getElementById("later").disabled = (at + 1) * PAGE >= there.length;
      const last = Math.min((at + 1) * PAGE, there.length);
      document.getElementById("where").textContent = there.length ? `${at * PAGE + 1} to ${last} of ${there.length}` : "nothing fits the filter";
    }
    function sort(column) {
      const head = heads[column], down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyOf = row => {
        const cell = row.cells[column], text = "sort" in cell.dataset ? cell.dataset.sort : cell.textContent.trim();
        return text === "" || text === "–" ? null : isNaN(text) ? text : Number(text);
      };
      const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      const keyed = [...body.rows].map(row => [keyOf(row), row]);
      keyed.sort(([a], [b]) => a === null || b === null ? (a === null) - (b === null) : (down ? -1 : 1) * compare(a, b));
      body.append(...keyed.map(([, row]) => row));
      at = 0;
      draw();
    }
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => sort(column)));
    const form = document.getElementById("filters");
    form.addEventListener("input", () => { at = 0; draw(); });
    form.addEventListener("submit", event => event.preventDefault());
    document.getElementById("earlier").addEventListener("click", () => { at -= 1; draw(); });
    document.getElementById("later").addEventListener("click", () => { at += 1; draw(); });
    draw();
  }

  // Images.
  const ZOOM = 4;
  class Viewer {
    constructor(box) {
      this.box = box;
      this.views = data.series[box.dataset.series];
      const pressed = box.querySelector("button[data-method][aria-pressed=true]");
      this.view = 0; this.method = pressed ? Number(pressed.dataset.method) : 0; this.mode = "side"; this.timer = 0;
      this.home = box.dataset.zoom.split(",").map(Number);
      this.zoom = this.home;
      this.range = box.querySelector(".slice input");
      this.said = box.querySelector(".slice output");
      this.divider = box.querySelector(".divider");
      this.panels = Object.fromEntries(all(".panel", box).map(panel => [panel.dataset.slot, panel]));
      const first = this.views[0].slices[this.views[0].first];
      const src = slot => this.panels[slot] ? this.panels[slot].querySelector(".shown").getAttribute("src") : "";
      first[2] = src("b");
      first[3][this.method] = src("a");
      first[4][this.method] = src("r");
      if (first[5].length) first[5][this.method] = src("e");
      this.at = this.views[0].first;
      this.range.addEventListener("input", () => { this.at = Number(this.range.value); this.draw(); });
      this.divider.querySelector("input").addEventListener("input", event => this.divide(event.target.value));
      for (const one of all("[data-mode]", box)) one.addEventListener("click", () => this.compare(one.dataset.mode));
      for (const one of all("[data-view]", box)) one.addEventListener("click", () => this.turn(Number(one.dataset.view)));
      for (const one of all("button[data-method]", box)) one.addEventListener("click", () => this.choose(Number(one.dataset.method)));
      box.addEventListener("wheel", event => this.wheel(event), { passive: false });
      box.addEventListener("keydown", event => this.key(event));
      for (const frame of all(".frame", box)) {
        frame.addEventListener("pointerdown", event => this.point(event, frame));
        frame.addEventListener("pointermove", event => { if (event.buttons) this.point(event, frame); });
      }
      box.classList.add("ready");
      this.draw();
    }
    get own() { return this.views[this.view]; }
    draw() {
      const [place, note, before, after, removed, errors] = this.own.slices[this.at];
      const set = { b: before, a: after[this.method], r: removed[this.method], e: errors[this.method] };
      for (const [slot, panel] of Object.entries(this.panels)) {
        const uri = set[slot] || "";
        for (const image of all(".shown, .inset img", panel)) {
          if (uri) image.setAttribute("src", uri); else image.removeAttribute("src");
        }
      }
      this.panels.a.querySelector(".over").setAttribute("src", before);
      this.range.value = this.at;
      this.said.textContent = `${place} of ${this.own.of}` + (note ? " · " + note : "");
      this.range.setAttribute("aria-valuetext", this.said.textContent);
      const moved = this.view !== 0 || this.at !== this.views[0].first || this.zoom !== this.home;
      this.box.classList.toggle("away", moved);
      this.enlarge();
    }
    enlarge() {
      const [x, y] = this.zoom, ratio = this.own.ratio;
      for (const panel of Object.values(this.panels)) {
        const image = panel.querySelector(".inset img"), spot = panel.querySelector(".spot");
        const wide = 100 * ZOOM, high = wide / ratio;
        const clamp = (centre, size) => Math.min(Math.max(centre * size - 50, 0), Math.max(size - 100, 0));
        image.style.cssText = `width:${wide}%;height:${high}%;left:${-clamp(x, wide)}%;top:${-clamp(y, high)}%`;
        const left = (clamp(x, wide) + 50) / wide, top = (clamp(y, high) + 50) / high;
        spot.style.cssText = `left:${100 * left}%;top:${100 * top}%;width:${100 / ZOOM}%`;
      }
    }
    go(place, method) {
      this.turn(0);
      if (this.own.slices[this.own.first][3][method]) this.choose(method);
      const found = this.own.slices.findIndex(one => one[0] === place);
      if (found >= 0) { this.at = found; this.draw(); }
      this.box.scrollIntoView({ block: "nearest" });
    }
    step(by) {
      const to = Math.min(Math.max(this.at + by, 0), this.own.slices.length - 1);
      if (to !== this.at) { this.at = to; this.draw(); }
    }
    turn(view) {
      this.view = view;
      this.at = this.own.first;
      this.range.max = this.own.slices.length - 1;
      this.range.disabled = this.own.slices.length < 2;
      for (const frame of all(".frame", this.box)) frame.style.aspectRatio = this.own.ratio;
      const ruler = this.box.querySelector(".ruler");
      ruler.style.width = this.own.bar[1] + "%";
      ruler.firstElementChild.textContent = this.own.bar[0] + " mm";
      this.box.querySelector(".says").textContent = this.own.says;
      this.box.classList.toggle("told", Boolean(this.own.says));
      this.press("view", view);
      this.draw();
    }
    choose(method) { this.method = method; this.press("method", method); this.draw(); }
    nextMethod() {
      const able = all("button[data-method]:not(:disabled)", this.box).map(one => Number(one.dataset.method));
      if (able.length) this.choose(able[(able.indexOf(this.method) + 1) % able.length]);
    }
    get methodName() {
      const pressed = this.box.querySelector("button[data-method][aria-pressed=true]");
      return pressed ? pressed.dataset.name : null;
    }
    press(kind, value) {
      for (const one of all(`button[data-${kind}]`, this.box)) one.setAttribute("aria-pressed", String(one.dataset[kind] === String(value)));
    }
    compare(mode) {
      this.mode = mode;
      this.box.classList.remove("side", "slider", "flicker", "back");
      this.box.classList.add(mode);
      this.press("mode", mode);
      this.divider.hidden = mode !== "slider";
      clearInterval(this.timer);
      if (mode === "flicker" && !calm) this.timer = setInterval(() => this.flick(), 700);
      this.caption();
    }
    flick() { this.box.classList.toggle("back"); this.caption(); }
    caption() {
      const title = this.panels.a.querySelector("figcaption strong");
      const back = this.mode === "flicker" && this.box.classList.contains("back");
      title.textContent = this.mode === "slider" ? "before | after" : back ? "before" : "after";
    }
    divide(share) {
      this.box.style.setProperty("--at", share + "%");
      this.divider.querySelector("input").value = share;
    }
    point(event, frame) {
      const place = frame.getBoundingClientRect();
      const x = (event.clientX - place.left) / place.width, y = (event.clientY - place.top) / place.height;
      const inside = value => Math.min(Math.max(value, 0), 1);
      this.box.focus({ preventScroll: true });
      if (this.mode === "slider" && frame.closest("[data-slot=a]")) this.divide(100 * inside(x));
      else { this.zoom = [inside(x), inside(y)]; this.draw(); }
    }
    wheel(event) {
      if (!this.box.contains(document.activeElement) || !event.target.closest(".frame") || event.ctrlKey) return;
      event.preventDefault();
      this.step(Math.sign(event.deltaY));
    }
    key(event) {
      if (event.target.matches("input[type=text], select") || event.ctrlKey || event.metaKey || event.altKey) return;
      const inRange = event.target.matches("input[type=range]");
      const moves = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, PageUp: -5, PageDown: 5, Home: -1e6, End: 1e6 };
      if (event.key in moves && !inRange) this.step(moves[event.key]);
      else if (event.key === " " && this.mode === "flicker" && !event.target.matches("button")) { clearInterval(this.timer); this.flick(); }
      else return;
      event.preventDefault();
    }
  }
  const viewers = new Map(all(".viewer").map(box => [box.dataset.series, new Viewer(box)]));

  const cards = all(".card");
  for (const one of all("button[data-go]")) {
    one.addEventListener("click", () => viewers.get(one.closest(".card").dataset.series).go(Number(one.dataset.go), Number(one.dataset.of)));
  }

  // Keys of the page.
  function current() {
    const focused = document.activeElement && document.activeElement.closest(".card");
    if (focused) return focused;
    const middle = innerHeight / 2;
    return cards.find(card => { const box = card.getBoundingClientRect(); return box.top <= middle && box.bottom >= middle; });
  }
  const switched = document.getElementById("keys");
  document.addEventListener("keydown", event => {
    if (!switched || !switched.checked) return;
    if (event.target.matches("input[type=text], input[type=search], select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    const card = current(), viewer = card && viewers.get(card.dataset.series);
    const modes = { f: "flicker", s: "slider", d: "side" };
    if (event.key === "j" || event.key === "k") {
      const to = cards[Math.max(0, cards.indexOf(card) + (event.key === "j" ? 1 : -1))];
      if (to) { to.scrollIntoView(); (to.querySelector(".viewer") || to).focus({ preventScroll: true }); }
    } else if (event.key in modes && viewer) viewer.compare(modes[event.key]);
    else if (event.key === "m" && viewer) viewer.nextMethod();
    else if (/^[0-5]$/.test(event.key) && card) {
      const method = viewer ? viewer.methodName : null;
      const own = all(".rating", card).find(field => method === null || field.dataset.method === method);
      if (own) rate(own, { rating: Number(event.key) || undefined });
    }
  });
})();
