// Added to a gallery that is served: five buttons for each picture. What was pressed is filled once it is on disk.
import { $, Live, Refused, copyFrom, insist, say, trouble, unsaved } from "/static/page.js";

const { profile, restart, command } = JSON.parse($("#served").textContent);
const ANCHORS = ["bad", "poor", "fair", "good", "excellent"];
const box = $("#light"), groups = new Map(); // id of a picture -> its groups of buttons
let shown = null; // in the lightbox
let ratings = {}; // that are on disk

// --- what is not yet on disk, in the order in which it was pressed; it outlives a reload
const wanted = new Map();
const remember = () => unsaved.set([...wanted]);

const paint = (id) => {
  for (const group of groups.get(id) || []) {
    for (const button of group.querySelectorAll("button")) {
      const value = Number(button.dataset.rate);
      button.setAttribute("aria-pressed", String(Math.round(ratings[id]) === value));
      button.classList.toggle("pending", wanted.get(id) === value);
    }
  }
  const count = Object.keys(ratings).length;
  $("#rated").textContent = count === 0 ? "" : `${count} of this run rated. The next run knows it:`;
  $("#again").hidden = count === 0;
};
const live = new Live("ratings", restart, (next) => {
  ratings = next;
  for (const id of groups.keys()) paint(id);
});
const save = async () => {
  while (wanted.size) {
    const [id, value] = wanted.entries().next().value;
    try {
      await insist("POST", "ratings", { id, value }, { what: `Your rating of ${id}`, restart });
      ratings[id] = value;
      say(`${id} rated ${value}, ${ANCHORS[value - 1]}`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      trouble(`Your rating of ${id} was not taken: ${error.message}.`);
    }
    if (wanted.get(id) === value) wanted.delete(id);
    remember();
    paint(id);
  }
};
const rate = (id, value) => {
  wanted.delete(id); // to the end of the queue
  wanted.set(id, value);
  remember();
  paint(id);
  if (!live.busy) live.change(save);
};

const buttons = (id, label) => {
  const group = Object.assign(document.createElement("div"), { className: "rate" });
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  ANCHORS.forEach((name, i) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: i + 1, title: name });
    button.dataset.rate = i + 1;
    button.setAttribute("aria-label", `${i + 1}, ${name}`);
    button.addEventListener("click", () => { const of = id ?? shown; if (of) rate(of, i + 1); });
    group.append(button);
  });
  return group;
};

const notice = Object.assign(document.createElement("div"), { className: "notice" });
notice.innerHTML = '<p>Rate pictures with the buttons below them, or with the keys <kbd>1</kbd> bad to <kbd>5</kbd> excellent. Ratings go to the profile <strong></strong>. Predictions can sway you: <button type="button" id="blind" aria-pressed="false">Hide the predictions</button></p><p><span id="rated" class="number"></span> <span id="again"><code></code> <button type="button">Copy</button></span></p>';
notice.querySelector("strong").textContent = profile;
notice.querySelector("code").textContent = command;
document.querySelector("header").append(notice);
copyFrom(notice.querySelector("#again button"), () => command);
$("#blind").addEventListener("click", (event) => {
  const blind = document.body.classList.toggle("blind");
  event.target.setAttribute("aria-pressed", String(blind));
});
const bad = Object.assign(document.createElement("p"), { id: "trouble", className: "notice", hidden: true });
bad.setAttribute("role", "alert");
document.body.append(bad);

for (const link of document.querySelectorAll(".card > a[data-id]")) {
  const { id } = link.dataset;
  const group = buttons(id, `Your rating of ${id}`);
  link.after(group);
  groups.set(id, [group]);
}
const large = buttons(null, "Your rating of this picture");
box.querySelector(".actions").before(large);
const show = (id) => {
  if (shown) groups.set(shown, groups.get(shown).filter((group) => group !== large));
  shown = id;
  groups.get(shown).push(large);
  paint(shown);
};
document.addEventListener("shown", ({ detail }) => show(detail));
if (box.open) show(location.hash.slice(1).split("=")[0]); // opened before this script was there

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || $("#help").open || !/^[1-5]$/.test(event.key)) return;
  const id = box.open ? shown : document.activeElement.closest?.(".card")?.querySelector("a[data-id]")?.dataset.id;
  if (id) { event.preventDefault(); rate(id, Number(event.key)); }
});

for (const [id, value] of unsaved.get() || []) if (groups.has(id)) wanted.set(id, value);
for (const id of groups.keys()) paint(id);
if (wanted.size) live.change(save);
