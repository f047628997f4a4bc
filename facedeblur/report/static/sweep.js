"use strict";
const read = id => JSON.parse((document.getElementById(id) || { textContent: "null" }).textContent);
const chosen = name => document.getElementById("choose-" + name);
const faces = read("data-faces");
const configs = read("data-configs");
// A page that loads itself again keeps what was chosen.
for (const select of document.querySelectorAll(".choose select")) {
  const key = "facedeblur:" + location.pathname + ":" + select.id;
  try {
    const kept = sessionStorage.getItem(key);
    if (kept && [...select.options].some(option => option.value === kept)) select.value = kept;
    select.addEventListener("change", () => sessionStorage.setItem(key, select.value));
  } catch { /* storage may be forbidden for files */ }
}
// Both sides of every divider show what was chosen for them.
if (faces && chosen("left")) {
  const sliders = [...document.querySelectorAll("section .slider")];
  const show = () => sliders.forEach((slider, index) => {
    const [right, left] = slider.querySelectorAll("img");
    for (const [image, tag, name] of [[left, ".left", chosen("left").value], [right, ".right", chosen("right").value]]) {
      if (!faces[index] || !faces[index][name]) continue;
      image.src = faces[index][name];
      slider.querySelector(".tag" + tag).textContent = name;
    }
  });
  for (const name of ["left", "right"]) chosen(name).addEventListener("change", show);
  show();
}
// Keys whose values differ between the two chosen runs.
if (configs && chosen("first")) {
  const place = document.getElementById("difference");
  const cell = (row, text, head) => row.appendChild(
    Object.assign(document.createElement(head ? "th" : "td"), { textContent: text ?? "not set" }));
  const show = () => {
    const names = [chosen("first").value, chosen("second").value];
    const [one, two] = names.map(name => configs[name]);
    const keys = [...new Set([...Object.keys(one), ...Object.keys(two)])].filter(key => one[key] !== two[key]);
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    ["key", ...names].forEach(text => cell(head, text, true));
    const body = table.createTBody();
    keys.forEach(key => {
      const row = body.insertRow();
      cell(row, key, true);
      cell(row, one[key]);
      cell(row, two[key]);
    });
    const scroll = Object.assign(document.createElement("div"), { className: "scroll" });
    scroll.append(table);
    place.replaceChildren(keys.length ? scroll : "The two have equal configurations.");
  };
  for (const name of ["first", "second"]) chosen(name).addEventListener("change", show);
  show();
}
