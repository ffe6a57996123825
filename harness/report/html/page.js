// What the report does beyond being read: a click on a phase filters events and configuration
// writes, the event table draws only the rows in view, the replay command can be copied. The state
// is in the fragment, so that a link shows what was seen: #r1-phase-3&q=fault
"use strict";

const ROW_HEIGHT = 26;

const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};

// Picoseconds as people read them, cut like the program's own texts.
function timeText(ps) {
  const units = [[1e12, "s"], [1e9, "ms"], [1e6, "us"], [1e3, "ns"]];
  for (const [size, name] of units) {
    if (ps >= size) return (Math.floor(ps / (size / 1000)) / 1000).toFixed(3) + " " + name;
  }
  return ps + " ps";
}

class Events {
  constructor(run) {
    this.table = run.querySelector("table.events");
    this.count = run.querySelector(".events-count");
    this.search = run.querySelector(".events-search");
    this.search.placeholder = "fault, dsa0, freeze, the number of an event";
    const data = JSON.parse(run.querySelector("script.events-data").textContent);
    this.texts = data.texts;
    this.rows = data.rows;  // [event, time, kernel, phase, device, sign, text]
    this.scroller = this.table.parentElement;
    this.body = this.table.tBodies[0];
    this.range = null;
    this.scroller.addEventListener("scroll", () => this.draw());
    this.search.addEventListener("input", () => this.filter(this.range));
  }

  // Only rows of this range of time that have the searched text.
  filter(range) {
    this.range = range;
    const wanted = this.search.value.trim().toLowerCase();
    const texts = this.texts.map((text) => wanted === "" || text.toLowerCase().includes(wanted));
    this.shown = this.rows.filter((row) =>
      (!range || (row[1] >= range[0] && row[1] < range[1])) &&
      (texts[row[4]] || texts[row[6]] || texts[row[3]] || String(row[0]) === wanted));
    this.count.textContent = this.shown.length + " of " + this.rows.length + " events";
    this.table.setAttribute("aria-rowcount", this.shown.length);
    this.scroller.scrollTop = 0;
    this.first = -1;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW_HEIGHT) - 20);
    if (first === this.first) return;
    this.first = first;
    const last = Math.min(this.shown.length, first + 80);
    this.body.replaceChildren(this.spacer(first));
    for (let i = first; i < last; ++i) this.body.append(this.row(this.shown[i], i));
    this.body.append(this.spacer(this.shown.length - last));
  }

  spacer(rows) {
    const row = make("tr", undefined, "spacer");
    const cell = make("td");
    cell.colSpan = 7;
    cell.style.height = rows * ROW_HEIGHT + "px";
    row.append(cell);
    return row;
  }

  row([event, time, kernel, phase, device, sign, text], index) {
    const row = make("tr");
    row.setAttribute("aria-rowindex", index + 1);
    row.append(make("td", timeText(time), "num"), make("td", String(event), "num"),
               make("td", kernel < 0 ? "-" : String(kernel)), make("td", this.texts[phase]),
               make("td", this.texts[device]), make("td", sign, "mono"),
               make("td", this.texts[text], "what"));
    return row;
  }
}

class Run {
  constructor(element) {
    this.element = element;
    this.phases = [...element.querySelectorAll("ol.strip a")];
    this.line = element.querySelector(".filterline span");
    this.dated = [...element.querySelectorAll("tr[data-from]")];
    this.events = element.querySelector("script.events-data") ? new Events(element) : null;
    element.querySelector(".filterline button").addEventListener("click", () => {
      history.replaceState(null, "", "#" + element.id);
      this.show(null, "");
    });
    for (const input of element.querySelectorAll("input[data-table]")) {
      input.addEventListener("input", () => this.searchTable(input));
    }
    if (this.events) {
      this.events.search.addEventListener("input", () => this.remember());
    }
  }

  remember() {
    const query = this.events.search.value;
    const place = this.current ? this.current.id : this.element.id;
    history.replaceState(null, "", "#" + place + (query ? "&q=" + encodeURIComponent(query) : ""));
  }

  searchTable(input) {
    const wanted = input.value.trim().toLowerCase();
    const table = document.getElementById(input.dataset.table);
    for (const row of table.tBodies[0].rows) {
      row.classList.toggle("unfound", wanted !== "" && !row.textContent.toLowerCase().includes(wanted));
      this.update(row);
    }
  }

  update(row) {
    row.classList.toggle("hidden",
        row.classList.contains("unfound") || row.classList.contains("elsewhen"));
  }

  // `phase` is a link of the strip, or null for all.
  show(phase, query) {
    this.current = phase;
    const range = phase && [Number(phase.dataset.from), Number(phase.dataset.to)];
    this.element.classList.toggle("filtered", phase !== null);
    for (const each of this.phases) {
      if (each === phase) each.setAttribute("aria-current", "true");
      else each.removeAttribute("aria-current");
    }
    if (phase) this.line.textContent = "Only phase " + phase.dataset.name + " is shown below.";
    for (const row of this.dated) {
      const away = range && (Number(row.dataset.to) < range[0] || Number(row.dataset.from) >= range[1]);
      row.classList.toggle("elsewhen", Boolean(away));
      this.update(row);
    }
    if (!this.events) return;
    this.events.search.value = query;
    this.events.filter(range);
  }
}

document.documentElement.classList.add("scripted");
const runs = [...document.querySelectorAll("article.run")].map((element) => new Run(element));

function follow() {
  const [place, ...rest] = location.hash.slice(1).split("&");
  const query = rest.filter((part) => part.startsWith("q=")).map((part) =>
      decodeURIComponent(part.slice(2)))[0] || "";
  for (const run of runs) {
    const phase = run.phases.find((each) => each.id === place) || null;
    if (phase || place === run.element.id || run.current === undefined) run.show(phase, query);
  }
}
addEventListener("hashchange", follow);
follow();

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}
