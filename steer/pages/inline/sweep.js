"use strict";
document.documentElement.classList.remove("no-js");
const rows = document.getElementById("rows");
const people = [...rows.children];
const prompts = [...document.querySelectorAll(".prompt-head")];
const places = document.head.appendChild(document.createElement("style"));

function sorted(items, by) {
  const order = items.map((item, place) => ({ place, name: item.dataset.name, gain: parseFloat(item.dataset.gain) }));
  if (by === "name") order.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || a.place - b.place);
  // What has no gain yet comes last.
  if (by === "gain") order.sort((a, b) => (isNaN(a.gain) - isNaN(b.gain)) || b.gain - a.gain || a.place - b.place);
  return order.map((item) => item.place);
}

document.getElementById("sorting").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { sort, by } = button.dataset;
  if (sort === "rows") rows.append(...sorted(people, by).map((place) => people[place]));
  else places.textContent = sorted(prompts, by).map((place, order) => `.k${place}{order:${order}}`).join("");
  for (const other of document.querySelectorAll(`[data-sort="${sort}"]`)) other.setAttribute("aria-pressed", other === button);
});
