// A taste, from /taste/state; each button is one step, which can be taken back.
import { $, Live, Refused, insist, pageData, say, trouble } from "/static/page.js";

const { restart } = pageData();

const make = (tag, className, text) => Object.assign(document.createElement(tag), { className, textContent: text ?? "" });

/** A button that says something of one phrase. */
const button = (label, verb, phrase) => {
  const made = make("button", "small-button", label);
  made.type = "button";
  Object.assign(made.dataset, { phrase, verb });
  made.setAttribute("aria-label", `${label}: ${phrase}`);
  made.addEventListener("click", () => send("/taste/say", { verb, phrase }, `${label}: ${phrase}`));
  return made;
};

const badges = { always: "always", never: "never", pin: "pinned", strike: "struck" };

const row = (held, editable) => {
  const item = make("li", held.told ? "liking" : "liking unsure");
  const head = make("p", "liking-head");
  head.append(make("strong", "", held.phrase));
  if (held.said) head.append(make("span", `said ${held.said}`, badges[held.said]));
  else if (!held.told) head.append(make("span", "said perhaps", "perhaps"));
  item.append(head, make("p", "muted small number", held.about));
  if (held.pictures.length) {
    const strip = make("div", "shows");
    for (const one of held.pictures) {
      const figure = make("figure", "");
      const image = make("img", "");
      Object.assign(image, { src: `/taste/pictures/${one.id}`, alt: one.prompt || "a rated picture", loading: "lazy", width: 96, height: 96 });
      figure.append(image, make("figcaption", "muted small number", one.rating.toFixed(1)));
      strip.append(figure);
    }
    item.append(strip);
  }
  if (editable) {
    const actions = make("p", "liking-actions");
    if (held.said) actions.append(button("Take back", "clear", held.phrase));
    else actions.append(button("Right", "pin", held.phrase), button("Wrong", "strike", held.phrase));
    item.append(actions);
  }
  return item;
};

const fill = (id, list, editable) => {
  const box = $(`#${id}`);
  box.hidden = !list.length;
  box.querySelector("ul").replaceChildren(...list.map((held) => row(held, editable)));
};

const undo = $("#taste-undo");
let step = null;

const show = (state) => {
  const before = document.activeElement;
  const inside = before?.closest?.(".likings");
  const { phrase = "", verb = "" } = before?.dataset ?? {};
  const byKeyboard = before?.matches?.(":focus-visible");
  const kept = state.held.filter((held) => held.said !== "strike");
  fill("likes", kept.filter((held) => held.likes), state.editable);
  fill("avoids", kept.filter((held) => !held.likes), state.editable);
  fill("struck", state.held.filter((held) => held.said === "strike"), state.editable);
  $("#taste-empty").hidden = state.held.length > 0;
  step = state.undo?.id ?? null;
  if (undo) {
    undo.hidden = step === null;
    undo.textContent = step === null ? "" : `Undo: ${state.undo.words}`;
  }
  // Focus stays with the phrase, wherever it went; only who came by keyboard is taken along.
  if (inside && !document.contains(before)) {
    const same = `[data-phrase="${CSS.escape(phrase)}"]`;
    const next = document.querySelector(`${same}[data-verb="${verb}"]`) ?? document.querySelector(same) ?? undo;
    next?.focus({ preventScroll: !byKeyboard });
  }
};

const live = new Live("/taste/state", restart, show);

/** One step: on disk before it is shown. */
const send = (path, body, what) => live.change(async () => {
  try {
    const state = await insist("POST", path, body, { what: "What you said", restart });
    trouble("");
    say(what);
    return state;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    trouble(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
    live.look();
    return null;
  }
});

const form = $("#say-it");
if (form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const phrase = form.elements.phrase.value.trim();
    const verb = form.elements.verb.value;
    if (!phrase) return;
    await send("/taste/say", { verb, phrase }, `${verb} ${phrase}`);
    if ($("#trouble").hidden) form.elements.phrase.value = "";
  });
  form.querySelector("[type=submit]").disabled = false; // only now is somebody listening
  undo.addEventListener("click", () => step !== null && send("/taste/undo", { step }, "Taken back"));
}
