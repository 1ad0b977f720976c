// Two pictures at a time. An answer counts only when the server says that it is on disk.
import { $, Refused, ask, insist, pageData, say, trouble } from "/static/page.js";

const { key, restart, state: first } = pageData();
const sides = ["left", "right"];
const images = { left: $("#left img"), right: $("#right img") };
const picture = (number, side) => `/study/${key}/pictures/${number}/${side}`;
const CHOICES = { ArrowLeft: "left", ArrowRight: "right", " ": "tie", ArrowDown: "tie" };
let state = first;
let busy = true; // until both pictures are there: nobody chooses what they have not seen
let since = 0;
let drawn = 0; // counts what was shown, so that a picture that comes late does not count for the next pair

const enable = () => {
  for (const id of ["left", "right", "tie"]) $(`#${id}`).disabled = busy;
  $("#undo").disabled = $("#back").disabled = !state.can_undo;
};

const show = async (next) => {
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

const refresh = async () => {
  try {
    const next = await ask("GET", `/study/${key}/state`);
    if (next.number !== state.number || next.done !== state.done) await show(next);
  } catch { /* the next answer says what is wrong */ }
};

const send = async (path, body, what) => {
  busy = true;
  enable();
  try {
    const next = await insist("POST", `/study/${key}/${path}`, body, { what, restart });
    trouble("");
    await show(next);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    state = { ...state, number: undefined }; // whatever comes now is shown
    await refresh();
    trouble(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
  }
};

const choose = (answer) => {
  if (busy || state.number === null) return;
  if (answer !== "tie") $(`#${answer}`).classList.add("chosen");
  const seconds = (performance.now() - since) / 1000;
  send("answers", { number: state.number, answer, seconds }, "Your answer");
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
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

show(first);
