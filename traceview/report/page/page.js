// The page's timelines: each is drawn by Plotly when it comes into view, from the rows in its <script class="scene">.
// Text of a trace reaches the document as text only (textContent), and Plotly, which knows some tags, as entities.
"use strict";
(() => {
  const [CALL, INSTANT, BAND, REQUEST, LETTER, ARROW] = [0, 1, 2, 3, 4, 5];
  const NAMES = ["call", "record", "state", "request", "point", "arrow"];
  const CUT_BEGIN = 1, CUT_END = 2, BREAKS = 4;
  const MOST_DRAWN = 12; // more at once would make the page slow; those farthest away are given up
  const PRINT_WIDTH = 680; // A4 less its margins, in CSS pixels
  const ROW = 23, TOP = 26, BOTTOM = 112, MOST_HEIGHT = 1100, LETTER_ROW = 1.2, LANE_GAP = 0.45;
  const LIGHT = {
    paper: "#ffffff", ink: "#1b1f24", soft: "#59636e", grid: "#e4e8ec", lane: "#f4f6f8",
    window: "rgba(198,40,40,0.10)", edge: "#b3261e", chosen: "#8a5a00", arrow: "#59636e",
  };
  const DARK = {
    paper: "#0f1419", ink: "#e6edf3", soft: "#9aa7b4", grid: "#27303a", lane: "#171d24",
    window: "rgba(255,138,128,0.14)", edge: "#ff8a80", chosen: "#f2c14e", arrow: "#9aa7b4",
  };
  // Fills have dark or white text on them in both themes. The words are those of the legend.
  const KINDS = {
    "call:iteration": ["main_loop_wait", "#cfd6dd"], "call:dispatch": ["dispatch", "#9ec1e6"],
    "call:poll": ["nested aio_poll", "#bcaee6"], "call:iohandler_poll": ["iohandler poll", "#86cdcd"],
    "call:bh": ["bottom half", "#ecc98b"], "call:notifier": ["notifier read", "#aed9a8"],
    "call:exit": ["exit of the job", "#eba89e"],
    "state:drained": ["drained", "#c9bfe8", "/"], "state:external-off": ["external events off", "#cdd3da", "\\"],
    "state:gap": ["gap in the trace", "#f3b6ae", "x"],
    "request:read": ["guest read", "#a6c8ea"], "request:flush": ["guest flush", "#d5d5d5"],
    "request:change": ["guest write", "#5f93d8"], "request:breaks": ["breaks the promise", "#c62828", "x"],
    "record:": ["record of a job or the graph", "#7a4fb5"], "point:": ["point", "#b3261e"],
    "arrow:bh": ["BH scheduled → run", "#b07a1c"], "arrow:kick": ["kick → request", "#3c7d4f"],
  };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let printing = false;

  const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const shortened = (text, most) => // both ends of a file's name tell something, its middle the least
    (text.length > most ? `${text.slice(0, Math.floor(most / 3))}…${text.slice(1 - most + Math.floor(most / 3))}` : text);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  function duration(ns) {
    const size = Math.abs(ns);
    for (const [unit, scale] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
      if (size >= scale) return `${Number((ns / scale).toPrecision(4))} ${unit}`;
    }
    return ns ? `${ns} ns` : "0 µs";
  }

  // The fields of what is under the pointer, beside the pointer: a bar may be wider than what is in view.
  const tip = {
    box: document.body.appendChild(Object.assign(document.createElement("div"), {className: "tip", hidden: true})),
    show(fields, {clientX, clientY}) {
      this.box.replaceChildren(...fields.map(([name, value], i) =>
        Object.assign(document.createElement(i ? "div" : "strong"), {textContent: name ? `${name} ${value}` : value})));
      this.box.hidden = false;
      const {width, height} = this.box.getBoundingClientRect();
      const left = clientX + 16 + width < innerWidth ? clientX + 16 : clientX - 16 - width;
      const top = clientY + 16 + height < innerHeight ? clientY + 16 : clientY - 16 - height;
      [this.box.style.left, this.box.style.top] = [`${Math.max(left, 4)}px`, `${Math.max(top, 4)}px`];
    },
    hide() {
      this.box.hidden = true;
    },
  };

  class Timeline {
    constructor(article) {
      this.article = article;
      this.box = article.querySelector(".timeline");
      this.picked = article.querySelector(".picked");
      this.scene = JSON.parse(article.querySelector("script.scene").textContent);
      this.items = this.scene.items.map((row) => this.item(row));
      this.drawn = false;
      this.chosen = null;
      const [begin, end] = this.scene.span;
      [this.scale, this.unit] = this.scene.by_record ? [1e3, "records"]
        : end - begin < 2e7 ? [1e3, "µs"] : end - begin < 2e10 ? [1e6, "ms"] : [1e9, "s"];
      const room = Math.max((end - begin) * 0.01, 500);
      this.whole = [(begin - room) / this.scale, (end + room) / this.scale];
      this.range = this.whole.slice();
      let y = LETTER_ROW;
      this.tops = this.scene.lanes.map(([, , rows]) => {
        const top = y;
        y += rows + LANE_GAP;
        return top;
      });
      this.depth = y;
      this.height = Math.min(Math.ceil(y * ROW) + TOP + BOTTOM, MOST_HEIGHT);
      this.box.style.height = `${this.height}px`;
      this.listen();
    }

    item(row) {
      const [part, kind, lane, depth, begin, length, title, record, line, flags, toLane] = row;
      const texts = this.scene.texts;
      return {part, kind: texts[kind], lane, depth, begin, length, title: texts[title], record, line, flags, toLane};
    }

    category(item) {
      if (item.part !== REQUEST) return `${NAMES[item.part]}:${[INSTANT, LETTER].includes(item.part) ? "" : item.kind}`;
      if (item.flags & BREAKS) return "request:breaks";
      return ["read", "flush"].includes(item.kind) ? `request:${item.kind}` : "request:change";
    }

    y(item) {
      return item.part === LETTER ? LETTER_ROW / 2 : this.tops[item.lane] + item.depth + 0.5;
    }

    fields(item) {
      const {by_record: byRecord} = this.scene;
      const from = byRecord ? `${item.begin / 1000} records` : duration(item.begin);
      const out = [["", item.title], ["is", `${NAMES[item.part]}${item.kind === "record" ? "" : `, ${item.kind}`}`]];
      if (item.part !== ARROW) out.push(["in", this.scene.lanes[item.lane][0]]);
      out.push(["at", (item.begin > 0 ? "+" : "") + from]);
      if (item.length) out.push(["lasts", byRecord ? `${item.length / 1000} records` : duration(item.length)]);
      if (item.flags & CUT_BEGIN) out.push(["", "begins before what is drawn"]);
      if (item.flags & CUT_END) out.push(["", "its end is not drawn"]);
      if (item.flags & BREAKS) out.push(["", "breaks the window's promise"]);
      out.push(["from", `${item.line ? `line ${item.line}, ` : ""}record ${item.record}`]);
      return out.map(([name, value], i) =>
        i === 2 && item.part !== ARROW ? [name, `${this.scene.lanes[item.lane][1]} (${value})`] : [name, value]);
    }

    // what Plotly draws

    traces(theme) {
      const groups = new Map();
      this.items.forEach((item, index) => {
        const key = this.category(item);
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push(index);
      });
      const order = [BAND, CALL, REQUEST, ARROW, INSTANT, LETTER].map((p) => NAMES[p]);
      const rank = (key) => order.indexOf(key.split(":")[0]);
      return [...groups].sort(([a], [b]) => rank(a) - rank(b)).map(([key, indices]) => {
        const [name, colour, pattern] = KINDS[key] || [key, "#999999"];
        const common = {name: escape(name), hoverinfo: "none", legendgroup: key};
        const part = this.items[indices[0]].part;
        if (part === ARROW) return {...common, ...this.arrows(indices, colour)};
        const each = (f) => indices.map((i) => f(this.items[i]));
        const shared = {...common, customdata: indices, y: each((i) => this.y(i))};
        if (part === INSTANT || part === LETTER) {
          const point = part === LETTER;
          return {
            ...shared, type: "scatter", x: each((i) => i.begin / this.scale), mode: point ? "text+markers" : "markers",
            text: point ? each((i) => escape(i.kind)) : undefined, textposition: "top center", showlegend: !point,
            textfont: {color: theme.edge, size: 13}, cliponaxis: !point,
            marker: {symbol: point ? "triangle-down" : "diamond", size: point ? 8 : 9, color: point ? theme.edge : colour,
              line: {width: 1, color: theme.paper}},
          };
        }
        return {
          ...shared, type: "bar", orientation: "h", base: each((i) => i.begin / this.scale), offset: -0.44, width: 0.88,
          x: each((i) => i.length / this.scale), text: each((i) => escape(i.title)), textposition: "inside",
          insidetextanchor: "start", textangle: 0, constraintext: "inside",
          insidetextfont: {color: ["request:breaks", "request:change"].includes(key) ? "#ffffff" : "#1b1f24", size: 11},
          marker: {color: colour, line: {width: 1, color: key === "request:breaks" ? theme.edge : this.outline(colour)},
            pattern: pattern ? {shape: pattern, solidity: 0.12, size: 7, fgcolor: "#00000055", fillmode: "overlay"} : undefined},
        };
      });
    }

    outline(colour) {
      const part = (at) => Math.round(parseInt(colour.slice(at, at + 2), 16) * 0.75);
      return `rgb(${part(1)},${part(3)},${part(5)})`;
    }

    arrows(indices, colour) {
      const out = {type: "scatter", mode: "lines+markers", x: [], y: [], customdata: []};
      const sizes = [];
      for (const index of indices) {
        const item = this.items[index];
        const end = (item.begin + item.length) / this.scale;
        const source = this.items.find((i) => i.part === CALL && i.record === item.record);
        const target = this.items.find((i) => i.lane === item.toLane && i.begin === item.begin + item.length
          && (item.kind === "kick" ? i.part === REQUEST && i.title === item.title : i.part === CALL && i.kind === "bh"));
        out.x.push(item.begin / this.scale, end, null);
        out.y.push(source ? this.y(source) : this.tops[item.lane] + 0.5,
          target ? this.y(target) - 0.4 : this.tops[item.toLane] + 0.5, null);
        out.customdata.push(index, index, -1);
        sizes.push(4, 9, 0);
      }
      return {...out, line: {width: 1, color: colour, dash: "dot"}, opacity: 0.8,
        marker: {symbol: "arrow", angleref: "previous", size: sizes, color: colour, line: {width: 0}}};
    }

    shapes(theme) {
      const shapes = this.scene.lanes.map(([, , rows], i) => ({
        type: "rect", layer: "below", xref: "paper", x0: 0, x1: 1, y0: this.tops[i] - LANE_GAP / 4,
        y1: this.tops[i] + rows + LANE_GAP / 4, fillcolor: theme.lane, line: {width: 0},
      }));
      if (this.scene.window) {
        const [x0, x1] = this.scene.window.map((ns) => ns / this.scale);
        const tall = {y0: LETTER_ROW, y1: this.depth};
        shapes.push({type: "rect", layer: "below", ...tall, x0, x1, fillcolor: theme.window, line: {width: 0}});
        for (const x of [x0, x1]) {
          shapes.push({type: "line", layer: "below", ...tall, x0: x, x1: x, line: {width: 1.5, color: theme.edge, dash: "dash"}});
        }
      }
      if (this.chosen !== null) {
        const item = this.items[this.chosen];
        const least = (this.range[1] - this.range[0]) * 0.004;
        const y = this.y(item), half = item.part === LETTER ? 0.55 : 0.48;
        shapes.push({type: "rect", x0: item.begin / this.scale - least, x1: (item.begin + item.length) / this.scale + least,
          y0: y - half, y1: y + half, line: {width: 3, color: theme.chosen}});
      }
      return shapes;
    }

    theme() {
      return dark.matches && !printing ? DARK : LIGHT;
    }

    layout() {
      const theme = this.theme();
      const {lanes, by_record: byRecord, window: shaded} = this.scene;
      const width = printing ? PRINT_WIDTH : this.box.clientWidth;
      const left = Math.round(Math.min(255, width * 0.3));
      const line = {gridcolor: theme.grid, zerolinecolor: theme.grid, linecolor: theme.soft, tickcolor: theme.soft};
      const from = shaded ? "the opening of the window" : "the first record";
      return {
        width, height: this.height, barmode: "overlay", dragmode: "pan", hovermode: "closest", hoverdistance: 16,
        paper_bgcolor: theme.paper, plot_bgcolor: theme.paper, font: {color: theme.ink, size: 12, family: "system-ui, sans-serif"},
        margin: {l: left, r: 14, t: TOP, b: BOTTOM}, uniformtext: {minsize: 9, mode: "hide"},
        legend: {orientation: "h", x: 0, y: -48 / (this.height - TOP - BOTTOM), yanchor: "top", font: {size: 11}},
        shapes: this.shapes(theme),
        xaxis: {...line, range: this.range.slice(), title: {text: `${byRecord ? "records" : this.unit} from ${from}`, standoff: 6},
          minallowed: this.whole[0], maxallowed: this.whole[1], exponentformat: "none", ticks: "outside"},
        yaxis: {range: [this.depth, 0], fixedrange: true, showgrid: false, zeroline: false, ticks: "",
          tickvals: lanes.map((lane, i) => this.tops[i] + lane[2] / 2),
          ticktext: lanes.map(([, title]) => escape(shortened(title, Math.floor(left / 6.4)))), tickfont: {size: 11}},
      };
    }

    draw() {
      const config = {displayModeBar: false, scrollZoom: true, doubleClick: false, responsive: false, showTips: false};
      const fresh = !this.drawn;
      this.drawn = true;
      Plotly.react(this.box, this.traces(this.theme()), this.layout(), config);
      this.told();
      if (!fresh) return;
      this.box.on("plotly_relayout", () => this.told());
      this.box.on("plotly_hover", (event) => tip.show(this.fields(this.items[event.points[0].customdata]), event.event));
      this.box.on("plotly_unhover", () => tip.hide());
      this.box.on("plotly_click", (event) => this.jump(event.points[0].customdata));
      this.box.on("plotly_doubleclick", () => this.show(this.whole));
    }

    giveUp() {
      Plotly.purge(this.box);
      this.drawn = false;
    }

    told() {
      this.range = this.box.layout.xaxis.range.slice();
      [this.box.dataset.begin, this.box.dataset.end] = this.range;
    }

    // moving about

    show([begin, end]) {
      const [low, high] = this.whole;
      const size = clamp(end - begin, (high - low) / 1e5, high - low);
      const from = clamp(begin, low, high - size);
      return Plotly.relayout(this.box, {"xaxis.range": [from, from + size]});
    }

    zoom(factor) {
      const [begin, end] = this.range;
      const middle = (begin + end) / 2, half = ((end - begin) / 2) * factor;
      return this.show([middle - half, middle + half]);
    }

    pan(share) {
      const step = (this.range[1] - this.range[0]) * share;
      return this.show([this.range[0] + step, this.range[1] + step]);
    }

    toWindow() {
      if (!this.scene.window) return this.show(this.whole);
      const [a, b] = this.scene.window.map((ns) => ns / this.scale);
      const room = Math.max((b - a) * 0.03, (this.whole[1] - this.whole[0]) * 0.002);
      return this.show([a - room, b + room]);
    }

    act(what) {
      const acts = {
        in: () => this.zoom(0.6), out: () => this.zoom(1 / 0.6), left: () => this.pan(-0.2), right: () => this.pan(0.2),
        window: () => this.toWindow(), reset: () => this.show(this.whole), next: () => this.step(1),
        previous: () => this.step(-1),
      };
      keep(this);
      return acts[what]();
    }

    // items and their evidence

    choose(index) {
      this.chosen = index;
      const item = this.items[index];
      this.picked.textContent = this.fields(item).map(([name, value]) => (name ? `${name} ${value}` : value)).join(" · ");
      this.article.querySelectorAll(".chosen").forEach((row) => row.classList.remove("chosen"));
      this.rows(item.record).forEach((row) => row.classList.add("chosen"));
      const size = this.range[1] - this.range[0];
      const middle = item.begin / this.scale + Math.min(item.length / this.scale / 2, size * 0.4);
      const inside = item.begin / this.scale <= this.range[1] && (item.begin + item.length) / this.scale >= this.range[0];
      const range = inside ? this.range : [middle - size / 2, middle + size / 2];
      const [low, high] = this.whole;
      this.range = [clamp(range[0], low, high - size), clamp(range[0], low, high - size) + size];
      return Plotly.relayout(this.box, {"xaxis.range": this.range.slice(), shapes: this.shapes(this.theme())});
    }

    rows(record) {
      return this.article.querySelectorAll(`[data-record="${Number(record)}"]`);
    }

    jump(index, takeFocus = false) {
      if (index === undefined || index < 0) return;
      this.choose(index);
      const row = this.rows(this.items[index].record)[0];
      if (!row) return;
      const folded = row.closest("details");
      if (folded) folded.open = true;
      row.scrollIntoView({block: "nearest"});
      if (takeFocus) (row.querySelector("button") || row.closest("pre") || row).focus();
    }

    step(by) {
      const order = this.items.map((_, i) => i).filter((i) => this.items[i].part !== ARROW);
      if (!order.length) return undefined;
      const at = order.indexOf(this.chosen);
      return this.choose(order[at < 0 ? (by > 0 ? 0 : order.length - 1) : clamp(at + by, 0, order.length - 1)]);
    }

    find(record) {
      const order = [REQUEST, INSTANT, CALL, BAND, LETTER];
      const rank = (i) => order.indexOf(this.items[i].part);
      const same = this.items.map((_, i) => i).filter((i) => this.items[i].record === record && rank(i) >= 0);
      return same.sort((a, b) => rank(a) - rank(b))[0];
    }

    listen() {
      const keys = {
        ArrowLeft: "left", ArrowRight: "right", ArrowUp: "in", ArrowDown: "out", "+": "in", "=": "in", "-": "out", 0: "reset",
        Home: "reset", w: "window", n: "next", p: "previous",
      };
      this.box.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        if (event.key === "Escape") this.box.blur();
        if (event.key === "Enter" && this.chosen !== null) this.jump(this.chosen, true);
        if (!(event.key in keys)) return;
        event.preventDefault();
        this.act(keys[event.key]);
      });
      this.box.addEventListener("pointerdown", () => this.box.focus({preventScroll: true}), true);
      // Without the focus, the wheel scrolls the page: it would get stuck in the first timeline otherwise.
      this.box.addEventListener("wheel", (event) => {
        if (document.activeElement !== this.box && !event.ctrlKey) event.stopImmediatePropagation();
      }, {capture: true});
      this.article.querySelectorAll("[data-do]").forEach((button) =>
        button.addEventListener("click", () => this.act(button.dataset.do)));
      this.article.querySelectorAll("[data-record]").forEach((row) => row.addEventListener("click", () => {
        const index = this.find(Number(row.dataset.record));
        if (index === undefined) return;
        keep(this);
        this.choose(index);
        if (row.closest(".evidence")) this.box.scrollIntoView({block: "nearest"});
      }));
    }
  }

  const timelines = new Map();
  document.querySelectorAll("article.finding").forEach((article) => {
    if (article.querySelector("script.scene")) timelines.set(article.querySelector(".timeline"), new Timeline(article));
  });
  let recent = [];

  function keep(timeline) {
    if (!timeline.drawn) timeline.draw();
    recent = [timeline, ...recent.filter((each) => each !== timeline)];
    recent.splice(MOST_DRAWN).forEach((old) => old.giveUp());
  }

  const watcher = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach((entry) => keep(timelines.get(entry.target)));
  }, {rootMargin: "300px 0px"});
  timelines.forEach((_, box) => watcher.observe(box));

  const again = () => recent.forEach((timeline) => timeline.draw());
  dark.addEventListener("change", again);
  window.addEventListener("wheel", () => tip.hide(), {passive: true, capture: true});
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(again, 150);
  });

  const folded = [];
  window.addEventListener("beforeprint", () => {
    printing = true;
    document.querySelectorAll("details:not([open])").forEach((each) => {
      each.open = true;
      folded.push(each);
    });
    timelines.forEach((timeline) => timeline.draw());
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    folded.splice(0).forEach((each) => { each.open = false; });
    timelines.forEach((timeline) => (recent.includes(timeline) ? timeline.draw() : timeline.drawn && timeline.giveUp()));
  });
})();
