// One picture at a time. A rating is gone from here only when the server says that it is on disk.
import { $, Live, Refused, insist, pageData, say, sentence, trouble, unsaved } from "/static/page.js";

const { anchors, restart } = pageData();
const range = $("#range"), picture = $("#picture"), help = $("#help"), rest = $("#rest");
const channel = new BroadcastChannel("steer-rate"); // tabs of the same page keep each other up to date
const UNKNOWN = { item: null, can_undo: false };
let state = UNKNOWN;
let value = null; // of the slider; null until it was touched, for a start value would be a hint
let rated = null; // id of the picture that the slider stands for

// --- showing

const words = (number) => {
  const nearest = Math.round(number), name = anchors[nearest - 1].toLowerCase();
  if (Math.abs(number - nearest) < 0.05) return name;
  const other = number > nearest ? nearest + 1 : nearest - 1;
  const [low, high] = [Math.min(nearest, other), Math.max(nearest, other)];
  return `${number.toFixed(1)}, between ${anchors[low - 1].toLowerCase()} and ${anchors[high - 1].toLowerCase()}`;
};
const setValue = (number, speak = false) => {
  value = number === null ? null : Math.min(5, Math.max(1, Math.round(number * 100) / 100));
  $("#slider").classList.toggle("unset", value === null);
  range.value = value ?? 3;
  range.setAttribute("aria-valuetext", value === null ? "not rated yet" : words(value));
  range.style.setProperty("--part", `${((value ?? 1) - 1) * 25}%`);
  $("#value").textContent = value === null ? "Not rated yet" : value.toFixed(1);
  for (const button of document.querySelectorAll(".anchors button")) {
    button.setAttribute("aria-pressed", String(value !== null && Math.abs(value - button.dataset.value) < 0.05));
  }
  enable();
  if (speak && value !== null && document.activeElement !== range) say(words(value));
};
const enable = () => {
  const item = state.item !== null && !live.busy;
  $("#next").disabled = !item || value === null;
  $("#skip").disabled = range.disabled = !item;
  $("#undo").disabled = live.busy || !state.can_undo;
  for (const button of document.querySelectorAll(".anchors button")) button.disabled = !item;
};
const badge = (text, title) => Object.assign(document.createElement("span"), { className: "badge", textContent: text, title });
const clear = () => {
  picture.hidden = true;
  picture.removeAttribute("src"); // else it would be seen again until the next one is loaded
};
const hide = () => {
  state = UNKNOWN;
  clear();
  enable();
};
const show = (next) => {
  state = next;
  const { item } = state;
  const same = item !== null && item.id === rated;
  rated = item && item.id;
  const practice = item !== null && item.practice;
  $("#count").textContent = practice ? `practice, ${state.practice_left} to go` : `${state.ratings} of ${state.goal} rated`;
  $("#bar").style.width = `${practice ? 0 : (100 * state.ratings) / state.goal}%`;
  $("#source").textContent = `From the ${state.source}.` + (state.unreadable ? ` ${state.unreadable} files are no pictures.` : "");
  $("#learnt").hidden = state.ratings === 0;
  $("#trial").hidden = item === null && !state.waiting;
  $("#over").hidden = item !== null || state.waiting;
  $("#wait").hidden = !state.waiting;
  if (item === null && state.failure) trouble(sentence(state.failure));
  $("#frame").classList.toggle("empty", item === null);
  if (item === null) {
    clear();
    $("#prompt").textContent = "";
    $("#badges").replaceChildren();
    setValue(null);
    if (state.waiting) live.lookIn(300);
    return;
  }
  $("#badges").replaceChildren(...[
    practice && badge("Practice", "This rating is not kept"),
    item.in_domain === false && badge("Unlike the training pictures", "The predictor was not trained on pictures of this kind: it learns less from this one"),
  ].filter(Boolean));
  $("#prompt").textContent = item.prompt;
  picture.alt = item.prompt || "The picture to rate";
  const source = `/pictures/${item.id}`;
  if (picture.getAttribute("src") !== source) picture.src = source;
  picture.hidden = false;
  $("#next").textContent = practice ? "Practise" : "Rate it";
  if (!same) setValue(item.value);
  else enable();
  if (!same) {
    range.focus({ preventScroll: true });
    say(`${practice ? "Practice picture" : `Picture ${state.ratings + 1}`}. ${item.prompt}`);
  }
};
picture.addEventListener("error", () => {
  picture.removeAttribute("src"); // so that it is asked for again
  trouble("This picture cannot be shown. Skip it, or reload the page.");
});
picture.addEventListener("load", () => { if (!live.busy) trouble(""); });

// --- asking

const live = new Live("/rate/state", restart, show, hide);
const go = async (path, body, what) => {
  if (live.busy) return;
  try {
    await live.change(async () => {
      enable();
      const next = await insist("POST", path, body, { what, restart });
      unsaved.set(null);
      channel.postMessage("changed");
      if (!next.reached) return next;
      state = UNKNOWN; // the picture that is seen is rated
      location.assign("/learnt");
      return null;
    });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    unsaved.set(null);
    await live.look();
    trouble(error.status === 409 ? sentence(error.message) : `${what} was not taken: ${error.message}.`);
  }
  enable();
};
const submit = () => {
  if (live.busy || state.item === null) return;
  if (value === null) { say("Choose a rating first"); range.focus(); return; }
  const given = { id: state.item.id, value };
  unsaved.set(given);
  go("/rate/ratings", given, "Your rating");
};
const undo = () => { if (state.can_undo) go("/rate/undo", { shown: state.item && state.item.id }, "The undo"); };
const skip = () => { if (state.item) go("/rate/skip", { id: state.item.id }, "That you skipped this picture"); };
const pause = () => { if (!rest.open) rest.showModal(); };

// --- hands

range.addEventListener("input", () => setValue(Number(range.value)));
range.addEventListener("click", () => setValue(Number(range.value))); // a click in the middle changes nothing, and still is an answer
document.querySelectorAll(".anchors button").forEach((button) => {
  button.addEventListener("click", () => { setValue(Number(button.dataset.value), true); });
});
$("#next").addEventListener("click", submit);
$("#undo").addEventListener("click", undo);
$("#skip").addEventListener("click", skip);
$("#pause").addEventListener("click", pause);
$("#keys").addEventListener("click", () => help.showModal());
for (const dialog of [help, rest]) {
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => range.focus({ preventScroll: true }));
}
$("#back").textContent = restart;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open || rest.open) return;
  const step = event.shiftKey ? 0.5 : 0.1;
  const from = value ?? 3;
  const values = {
    ArrowLeft: from - step, ArrowDown: from - step, ArrowRight: from + step, ArrowUp: from + step,
    PageDown: from - 1, PageUp: from + 1, Home: 1, End: 5, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5,
  };
  const onControl = event.target instanceof Element && event.target.closest("button, a, summary");
  const does = { u: undo, s: skip, p: pause, "?": () => help.showModal() }[event.key];
  if (event.key in values && !range.disabled) setValue(values[event.key], true);
  else if ((event.key === " " || event.key === "Enter") && !onControl) { if (!event.repeat) submit(); }
  else if (does) { if (!event.repeat) does(); }
  else return;
  event.preventDefault();
});

channel.addEventListener("message", () => { trouble("Rated in another tab: this one goes on from there."); live.look(); });

setValue(null);
const given = unsaved.get();
if (given) go("/rate/ratings", given, "Your rating");
