"use strict";
// A heading sorts its table: numbers by value, the rest as text; cells without a value stay at the end.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, index) => head.querySelector("button").addEventListener("click", () => {
    const flipped = { ascending: "descending", descending: "ascending" }[head.getAttribute("aria-sort")];
    const order = flipped || head.dataset.first;
    const sign = order === "ascending" ? 1 : -1;
    const key = row => row.cells[index].dataset.value;
    const numeric = head.classList.contains("number");
    const number = text => text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text);
    const compare = (a, b) => numeric ? number(a) - number(b) : a.localeCompare(b, "en", { numeric: true });
    const rows = [...body.rows].sort((a, b) => {
      const [left, right] = [key(a), key(b)];
      if (left === "" || right === "") return (left === "") - (right === "");
      return left === right ? 0 : sign * compare(left, right);
    });
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    body.append(...rows);
  }));
}
// A search field hides the rows of its table that lack one of its words.
for (const field of document.querySelectorAll(".tabled input[type=search]")) {
  const rows = [...field.parentElement.querySelectorAll("tbody tr")];
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach(row => { row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word)); });
  });
}
// The divider of a before/after pair follows its range input.
for (const slider of document.querySelectorAll(".slider")) {
  const range = slider.querySelector("input");
  const move = () => slider.style.setProperty("--at", range.value + "%");
  range.addEventListener("input", move);
  // pressing anywhere moves the divider there at once, not only when it is dragged
  slider.addEventListener("pointermove", event => {
    if (event.pointerType !== "mouse" || event.buttons !== 1) return;
    const box = slider.getBoundingClientRect();
    range.value = 100 * (event.clientX - box.left) / box.width;
    move();
  });
  move();
}
// The contents show which section is being read.
const links = new Map([...document.querySelectorAll("nav a")].map(link => [link.hash.slice(1), link]));
if (links.size && "IntersectionObserver" in window) {
  const watcher = new IntersectionObserver(entries => entries.forEach(entry => {
    if (!entry.isIntersecting) return;
    links.forEach(link => link.classList.remove("here"));
    links.get(entry.target.id).classList.add("here");
  }), { rootMargin: "-15% 0px -75% 0px" });
  links.forEach((_, id) => watcher.observe(document.getElementById(id)));
}
// A page that reloads itself keeps its place, its sorting and what was unfolded.
if (document.querySelector("meta[http-equiv=refresh]")) {
  const store = "facedeblur:" + location.pathname;
  const folds = () => [...document.querySelectorAll("details")];
  const heads = () => [...document.querySelectorAll("th[data-first]")];
  try {
    const kept = JSON.parse(sessionStorage.getItem(store) || "{}");
    (kept.open || []).forEach(index => { if (folds()[index]) folds()[index].open = true; });
    (kept.sort || []).forEach(([index, order]) => {
      for (let i = 0; i < 2 && heads()[index] && heads()[index].getAttribute("aria-sort") !== order; i++)
        heads()[index].querySelector("button").click();
    });
    if (kept.top) window.scrollTo({ top: kept.top, behavior: "instant" });
    window.addEventListener("pagehide", () => sessionStorage.setItem(store, JSON.stringify({
      top: window.scrollY,
      open: folds().flatMap((fold, index) => fold.open ? [index] : []),
      sort: heads().flatMap((head, index) => head.hasAttribute("aria-sort") ? [[index, head.getAttribute("aria-sort")]] : []),
    })));
  } catch { /* storage may be forbidden for files: the page then starts at its top */ }
}
