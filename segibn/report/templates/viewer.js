// The viewer of frames: state in one object, everything on the page drawn from it.
(() => {
  const viewer = document.getElementById("viewer");
  if (viewer === null) return;
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const part = document.getElementById("frames");
  const byId = (id) => document.getElementById(id);
  const [under, over, stage] = ["under", "over", "stage"].map((name) => byId(`viewer-${name}`));
  const divider = byId("viewer-divider");
  const runChoice = byId("viewer-run");
  const classChoice = byId("viewer-class");
  const frames = new Map(data.frames.map((frame) => [frame.id, frame]));
  // filter: null, { target } for a class, or { target, pred } for one confusion
  const state = { frame: data.frames[0], filter: null };
  let drawing = 0;

  const percent = (value) => (100 * value).toFixed(1);
  const run = () => data.runs[state.frame.run];
  const className = (index) => run().classes[index]?.name ?? "no class";

  function holds(frame, filter) {
    if (filter === null) return true;
    if ("pred" in filter) return `${filter.target}-${filter.pred}` in frame.pairs;
    return filter.target in frame.iou;
  }

  // Frames of the run that the filter leaves: as ranked, or by what the filter asks for.
  function listed(filter = state.filter, index = state.frame.run) {
    const own = data.frames.filter((frame) => frame.run === index && holds(frame, filter));
    if (filter === null) return own;
    if ("pred" in filter) {
      const key = `${filter.target}-${filter.pred}`;
      return own.sort((a, b) => b.pairs[key] - a.pairs[key]);
    }
    return own.sort((a, b) => a.iou[filter.target] - b.iou[filter.target]);
  }

  function hash() {
    const { frame, filter } = state;
    if (filter === null) return `#${frame.id}`;
    const more = "pred" in filter ? `pair-${filter.target}-${filter.pred}` : `class-${filter.target}`;
    return `#${frame.id}:${more}`;
  }

  function change(next, remember = true) {
    Object.assign(state, next);
    const left = listed();
    if (left.length > 0 && !left.includes(state.frame)) state.frame = left[0];
    if (remember) history.replaceState(null, "", hash());
    show();
  }

  function decoded(text) {
    try {
      return decodeURIComponent(text.slice(1));
    } catch {
      return ""; // somebody's own "%"
    }
  }

  function element(tag, text, className = "") {
    const made = document.createElement(tag);
    made.textContent = text;
    made.className = className;
    return made;
  }

  const choice = (text, value) => new Option(text, value);

  function show() {
    showChoices();
    showCards();
    showCaption();
    showChips();
    draw();
  }

  function showChoices() {
    const options = [choice("all classes", "")];
    run().classes.forEach(({ name }, index) => {
      options.push(choice(name, String(index)));
      options.at(-1).disabled = listed({ target: index }).length === 0;
    });
    const { filter } = state;
    let value = filter === null ? "" : String(filter.target);
    if (filter !== null && "pred" in filter) {
      value = `pair-${filter.target}-${filter.pred}`;
      const text = `${className(filter.target)} called ${className(filter.pred)}`;
      options.push(choice(text, value));
    }
    classChoice.replaceChildren(...options);
    classChoice.value = value;
    if (runChoice !== null) runChoice.value = String(state.frame.run);
  }

  function note(frame) {
    const { filter } = state;
    if (filter === null) return frame.told;
    if ("pred" in filter) {
      const count = frame.pairs[`${filter.target}-${filter.pred}`] ?? 0;
      return `${count.toLocaleString("en")} px of ${className(filter.target)} called ${className(filter.pred)}`;
    }
    return `${className(filter.target)}: IoU ${percent(frame.iou[filter.target])} %`;
  }

  function showCards() {
    for (const box of part.querySelectorAll(".run-frames")) {
      box.hidden = Number(box.dataset.run) !== state.frame.run;
    }
    const list = byId(`frames-of-${state.frame.run}`).querySelector(".cards");
    const left = listed();
    for (const card of list.children) card.hidden = true;
    left.forEach((frame) => {
      const card = byId(frame.id);
      card.hidden = false;
      card.classList.toggle("current", frame === state.frame);
      card.querySelector(".card-link").setAttribute("aria-current", String(frame === state.frame));
      card.querySelector(".card-told").textContent = note(frame);
    });
    const order = left.length > 0 ? left : data.frames.filter((f) => f.run === state.frame.run);
    const focused = document.activeElement;
    order.forEach((frame) => list.append(byId(frame.id)));
    if (list.contains(focused)) focused.focus({ preventScroll: true });
  }

  function showCaption() {
    const { frame } = state;
    const left = listed();
    const place = left.indexOf(frame) + 1;
    const caption = byId("viewer-caption");
    const title = element("strong", `${frame.label}: ${frame.name}`);
    const text = left.length === 0 ? "no frame shown here holds it" : `${note(frame)} · ${place} of ${left.length}`;
    caption.replaceChildren(title, element("span", text));
    byId("viewer-previous").disabled = byId("viewer-next").disabled = left.length < 2;
  }

  function showChips() {
    const { frame, filter } = state;
    const held = Object.keys(frame.iou).map(Number);
    held.sort((a, b) => (frame.share[b] ?? 0) - (frame.share[a] ?? 0));
    const chips = held.map((index) => {
      const chip = element("button", "");
      chip.type = "button";
      const [red, green, blue] = run().colors[index];
      const box = element("span", "", "chart-chip");
      box.style.background = `rgb(${red},${green},${blue})`;
      chip.append(box, className(index), element("b", percent(frame.iou[index])));
      const pressed = filter !== null && !("pred" in filter) && filter.target === index;
      chip.setAttribute("aria-pressed", String(pressed));
      chip.dataset.class = String(index);
      chip.addEventListener("click", () => {
        change({ filter: pressed ? null : { target: index } });
        byId("viewer-classes").querySelector(`[data-class="${index}"]`)?.focus();
      });
      const item = document.createElement("li");
      item.append(chip);
      return item;
    });
    byId("viewer-classes").replaceChildren(...chips);
  }

  async function draw() {
    const turn = (drawing += 1);
    const { frame, filter } = state;
    const colors = run().colors;
    const pixels = await Pixels.load(byId(frame.id), colors);
    if (turn !== drawing) return; // a later choice has overtaken this one
    const blend = byId("viewer-blend").checked ? 0.62 : 1;
    for (const [canvas, side] of [[under, "left"], [over, "right"]]) {
      const view = byId(`viewer-${side}`).value;
      Pixels.paint(canvas, frame.size, pixels, colors, view, filter, blend);
      canvas.setAttribute("aria-label", `${view} of frame ${frame.name}`);
      stage.querySelector(`.stage-${side}`).textContent = view;
    }
    stage.style.setProperty("--ratio", `${frame.size[1]} / ${frame.size[0]}`);
    stage.dataset.drawn = hash();
  }

  function split(value) {
    divider.value = String(value);
    stage.style.setProperty("--split", `${divider.value}%`);
    divider.setAttribute("aria-valuetext", `${divider.value} % left, ${100 - divider.value} % right`);
  }

  function step(by) {
    const left = listed();
    if (left.length === 0) return;
    const place = left.indexOf(state.frame);
    change({ frame: left[(place + by + left.length) % left.length] });
  }

  // Deep links: #frame-..., with :class-3 or :pair-3-5 behind it; #frames-NAME is a class.
  function follow() {
    const [target, more] = decoded(location.hash).split(":");
    const frame = frames.get(target);
    if (frame !== undefined) {
      const [, kind, first, second] = /^(class|pair)-(\d+)(?:-(\d+))?$/.exec(more ?? "") ?? [];
      let filter = null;
      if (kind === "class") filter = { target: Number(first) };
      if (kind === "pair" && second !== undefined) filter = { target: Number(first), pred: Number(second) };
      const keep = kind === undefined && holds(frame, state.filter) ? state.filter : filter;
      change({ frame, filter: keep }, false);
      reveal();
      return;
    }
    const index = run().classes.findIndex((one) => one.anchor === target);
    if (index >= 0) {
      byId("by-class")?.removeAttribute("open");
      open({ target: index });
    }
  }

  // Go to the frames with a filter; another run is taken where the present one has none.
  function open(filter, own = state.frame.run) {
    const runs = [own, ...data.runs.keys()];
    const found = runs.find((index) => listed(filter, index).length > 0);
    if (found === undefined) change({ filter });
    else change({ filter, frame: listed(filter, found)[0] });
    reveal();
  }

  function reveal() {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    viewer.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
  }

  function drag(event) {
    const box = stage.getBoundingClientRect();
    split(Math.round(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width))));
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    divider.focus({ preventScroll: true });
    drag(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) drag(event);
  });
  divider.addEventListener("input", () => split(divider.value));
  byId("viewer-previous").addEventListener("click", () => step(-1));
  byId("viewer-next").addEventListener("click", () => step(1));
  for (const name of ["left", "right", "blend"]) byId(`viewer-${name}`).addEventListener("change", draw);
  classChoice.addEventListener("change", () => {
    if (classChoice.value.startsWith("pair")) return;
    change({ filter: classChoice.value === "" ? null : { target: Number(classChoice.value) } });
  });
  runChoice?.addEventListener("change", () => {
    const index = Number(runChoice.value);
    const left = listed(state.filter, index);
    const first = left[0] ?? data.frames.find((frame) => frame.run === index);
    change({ frame: first, filter: left.length > 0 ? state.filter : null });
  });
  document.addEventListener("keydown", (event) => {
    const busy = event.target.matches?.("input, select, textarea, .chart-scroll");
    const near = part.contains(event.target) || event.target === document.body;
    if (busy || !near || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const box = viewer.getBoundingClientRect();
    if (event.target === document.body && (box.bottom < 0 || box.top > innerHeight)) return;
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "Escape") change({ filter: null });
    else return;
    event.preventDefault();
  });
  // A cell of a confusion matrix, or one of its sentences, leads to the frames that show it.
  for (const cell of document.querySelectorAll(".confusion-of [data-pred]")) {
    const { target, pred } = cell.dataset;
    const own = Number(cell.closest(".confusion-of").dataset.run);
    const filter = target === pred || pred === "void" ? { target: Number(target) } : { target: Number(target), pred: Number(pred) };
    if (!data.frames.some((frame) => frame.run === own && holds(frame, filter))) continue;
    const go = () => open(filter, own);
    if (cell.tagName === "TD") {
      cell.classList.add("leads");
      cell.addEventListener("click", go);
    } else {
      const button = element("button", "show frames", "inline");
      button.type = "button";
      button.addEventListener("click", go);
      cell.append(" ", button);
    }
  }
  addEventListener("hashchange", follow);
  for (const link of part.querySelectorAll(".card-link")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      change({ frame: frames.get(decoded(link.hash)) });
      viewer.scrollIntoView({ block: "nearest" });
    });
  }

  viewer.hidden = false;
  byId("by-class")?.removeAttribute("open");
  split(50);
  change({}, false);
  if (location.hash !== "") follow();
})();
