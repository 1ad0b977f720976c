// Two pictures at a time. An answer counts only when the server says that it is on disk.
import { $, Live, Refused, insist, pageData, say, sentence, trouble, unsaved } from "/static/page.js";

const { key, restart } = pageData();
const sides = ["left", "right"];
const images = { left: $("#left img"), right: $("#right img") };
const picture = (number, side) => `/study/${key}/pictures/${number}/${side}`;
const CHOICES = { ArrowLeft: "left", ArrowRight: "right", " ": "tie", ArrowDown: "tie" };
const UNKNOWN = { number: undefined, can_undo: false };
let state = UNKNOWN;
let busy = true; // until both pictures are there: nobody chooses what they have not seen
let since = 0;
let drawn = 0; // counts what was shown, so that a picture that comes late does not count for the next pair

const enable = () => {
  for (const id of ["left", "right", "tie"]) $(`#${id}`).disabled = busy;
  $("#undo").disabled = $("#back").disabled = !state.can_undo;
};

const hide = () => {
  state = UNKNOWN;
  drawn += 1;
  busy = true;
  enable();
  for (const side of sides) images[side].removeAttribute("src");
};
const show = async (next) => {
  if (next.number === state.number && next.done === state.done) return;
  state = next;
  const mine = ++drawn;
  busy = true;
  enable();
  $("#count").textContent = `${state.done} of ${state.of}`;
  $("#bar").style.width = `${(100 * state.done) / Math.max(1, state.of)}%`;
  $("#trial").hidden = state.number === null;
  $("#over").hidden = state.number !== null;
  if (state.number === null) {
    $("#over").focus();
    say("That was all. Thank you!");
    return;
  }
  for (const side of sides) {
    $(`#${side}`).classList.remove("chosen");
    images[side].src = picture(state.number, side);
  }
  try {
    await Promise.all(sides.map((side) => images[side].decode()));
  } catch {
    if (mine === drawn) trouble("A picture cannot be shown. Reload the page.");
    return;
  }
  if (mine !== drawn) return;
  busy = false;
  since = performance.now();
  enable();
  say(`Pair ${state.done + 1} of ${state.of}`);
  for (const number of state.following) for (const side of sides) new Image().src = picture(number, side);
};

const live = new Live(`/study/${key}/state`, restart, show, hide);
const send = async (path, body, what) => {
  busy = true;
  state = UNKNOWN; // whatever comes now is shown
  enable();
  try {
    await live.change(async () => {
      const next = await insist("POST", `/study/${key}/${path}`, body, { what, restart });
      unsaved.set(null);
      trouble("");
      return next;
    });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    unsaved.set(null);
    await live.look();
    trouble(sentence(error.message));
  }
};

const choose = (answer) => {
  if (busy || state.number === null) return;
  if (answer !== "tie") $(`#${answer}`).classList.add("chosen");
  const seconds = (performance.now() - since) / 1000;
  const given = { number: state.number, answer, seconds };
  unsaved.set(given);
  send("answers", given, "Your answer");
};
const undo = () => {
  if (!state.can_undo || (busy && state.number !== null)) return;
  send("undo", { shown: state.number }, "Undoing");
};

for (const id of ["left", "right", "tie"]) $(`#${id}`).addEventListener("click", () => choose(id));
for (const id of ["undo", "back"]) $(`#${id}`).addEventListener("click", undo);
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (CHOICES[event.key]) {
    event.preventDefault(); // space would press the button that has the focus
    choose(CHOICES[event.key]);
  } else if (event.key === "u" || event.key === "Backspace") {
    event.preventDefault();
    undo();
  }
});
document.addEventListener("keyup", (event) => { if (event.key === " ") event.preventDefault(); });

const given = unsaved.get();
if (given) send("answers", given, "Your answer");
