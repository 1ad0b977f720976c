// One run, live. What is shown is what the server has; a choice is kept here until the server has it on disk.
import { $, Live, Refused, insist, pageData, say, sentence, trouble, unsaved } from "/static/page.js";

const { restart, name } = pageData();
const here = `/studio/runs/${encodeURIComponent(name)}`;
const grid = $("#grid"), large = $("#large"), help = $("#help");
const cards = new Map(); // id -> {data, item}
const newKey = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const STATUS = {
  starting: "Getting ready", running: "At work", waiting: "Waiting for you", interrupted: "At rest", error: "Stopped by an error", complete: "Done",
};
let state = null, cursor = "", opened = null, unsorted = false;

// --- showing

const element = (tag, settings = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), settings);
  made.append(...children);
  return made;
};
const words = (pieces) => pieces.map(([kind, text]) =>
  (kind === "added" ? element("ins", { textContent: text }) : kind === "removed" ? element("del", { textContent: text }) : text));

// A finished run takes hearts and buries as ratings of a profile, and for nobody else would they do anything.
const takesPicks = () => state.status !== "complete" || state.profile !== null;
const hint = () => {
  const who = state.profile, both = who ? ` Both are ratings of your profile ${who}.` : "";
  if (state.status !== "complete") return `♥ lifts a picture by half a point and steers what comes next; a buried one never wins.${both}`;
  return who ? `This run is done. ♥ still rates a picture 5 in your profile ${who}, Bury rates it 1: your next run knows it.` : "This run is done: hearts and buries counted while it went on.";
};

const isLost = (data) => Boolean(data.reason) || data.pick === "bury";
const rank = ({ data }) => [isLost(data) ? 1 : 0, data.id === state.best ? 0 : 1, -(data.value ?? -99)];
const compare = (one, other) => {
  const [a, b] = [rank(one), rank(other)];
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return one.data.id < other.data.id ? -1 : 1;
};

// As large as they are shown and no larger: a browser keeps 500 of them decoded, at four bytes a pixel.
const small = devicePixelRatio < 1.1, side = small ? 224 : 320;

const PICKS = { heart: "♥ Heart", bury: "Bury", more: "More like this" };
const makePicks = () => element("div", { className: "picks" }, ...Object.entries(PICKS).map(([kind, textContent]) => {
  const button = element("button", { type: "button", textContent });
  button.dataset.pick = kind;
  return button;
}));
const fillPicks = (box, data) => {
  box.hidden = !takesPicks();
  for (const button of box.children) {
    const kind = button.dataset.pick;
    button.hidden = kind === "more" && state.status === "complete";
    button.setAttribute("aria-pressed", String(kind === "more" ? data.more : data.pick === kind));
    button.disabled = kind === "more" && data.more;
  }
};

const makeCard = (data) => {
  const picture = element("button", { type: "button", className: "picture" },
    element("img", { loading: "lazy", decoding: "async", width: side, height: side, alt: "", src: `${here}/thumbs/${data.id}${small ? "?small=1" : ""}` }));
  const item = element("li", { className: "card", id: `card-${data.id}` }, picture, element("div", { className: "facts" }),
    element("p", { className: "words" }), element("p", { className: "reason", hidden: true }),
    makePicks());
  item.dataset.id = data.id;
  return item;
};

const fillCard = ({ data, item }) => {
  const best = data.id === state.best;
  item.classList.toggle("best", best);
  item.classList.toggle("lost", isLost(data));
  item.querySelector(".picture").setAttribute("aria-label", `${best ? "The best so far, " : ""}predicted ${data.score}: ${data.prompt}. Open it large`);
  const badges = [];
  const badge = (text, off = false) => badges.push(element("span", { className: off ? "badge off" : "badge", textContent: text }));
  if (best) badge("★ Best");
  if (data.id === "r00c00") badge("Your words");
  if (data.own) badge("Words of your own");
  if (data.pick === "bury") badge("Buried", true);
  if (data.pick === "heart" && !takesPicks()) badge("♥");
  if (data.reason) badge("Left the subject", true);
  item.querySelector(".facts").replaceChildren(
    element("span", { className: "score number", textContent: data.score }),
    ...badges,
    element("span", { className: "muted", textContent: data.round ? `round ${data.round}` : "" }),
  );
  item.querySelector(".words").replaceChildren(...words(data.diff));
  const reason = item.querySelector(".reason"), waits = data.pick && !data.taken;
  reason.hidden = !(data.reason || waits);
  reason.textContent = data.reason || (waits ? (state.status === "complete" ? (state.profile ? "Rated; came too late for this run" : "Came too late for this run") : "Counts from the next step on") : "");
  fillPicks(item.querySelector(".picks"), data);
};

const sort = () => {
  // Nothing moves away under somebody's finger; when they leave, the order is right again.
  if (matchMedia("(hover: hover)").matches && grid.matches(":hover")) { unsorted = true; return; }
  unsorted = false;
  const focused = grid.contains(document.activeElement) ? document.activeElement : null;
  let before = null;
  for (const { item } of [...cards.values()].sort(compare).reverse()) {
    if (item.nextSibling !== before || item.parentNode !== grid) grid.insertBefore(item, before);
    before = item;
  }
  focused?.focus({ preventScroll: true });
};
grid.addEventListener("pointerleave", () => { if (unsorted) sort(); });

const showReview = (review) => {
  const box = $("#review");
  const stamp = JSON.stringify(review);
  if (box.dataset.stamp === stamp) return;
  const editing = box.querySelector("li textarea");
  if (editing && review) return; // somebody is writing: it is shown when they are done
  const first = box.hidden && review !== null;
  box.dataset.stamp = stamp;
  box.hidden = review === null;
  if (review === null) return;
  $("#review-title").textContent = `Round ${review.iteration}: ${review.prompts.length} rewrites before they are painted`;
  $("#rewrites").replaceChildren(...review.prompts.map((one) => {
    const item = element("li", {}, element("p", { className: "words" }, ...words(one.diff)),
      element("span", { className: "tools" }, element("button", { type: "button", textContent: "Change" }), element("button", { type: "button", textContent: "Strike" })));
    const [change, strike] = item.querySelectorAll("button");
    strike.addEventListener("click", () => give({ pick: "strike", iteration: review.iteration, prompt: one.prompt }));
    change.addEventListener("click", () => edit(item, review.iteration, one.prompt));
    return item;
  }));
  if (first) say(`Round ${review.iteration} waits for you`);
};

const edit = (item, iteration, prompt) => {
  const area = element("textarea", { value: prompt, rows: 2, maxLength: 2000, ariaLabel: "The words of this rewrite" });
  const save = element("button", { type: "button", textContent: "Save" }), leave = element("button", { type: "button", textContent: "Leave" });
  const end = () => { area.remove(); $("#review").dataset.stamp = ""; showReview(state.review); };
  save.addEventListener("click", () => {
    const to = area.value.trim();
    end();
    if (to && to !== prompt) give({ pick: "change", iteration, prompt, to });
  });
  leave.addEventListener("click", end);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave.click();
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); save.click(); }
  });
  item.replaceChildren(area, element("span", { className: "tools" }, save, leave));
  area.focus();
};

const show = (fresh) => {
  const before = state;
  state = fresh;
  if (state.cursor) cursor = state.cursor;
  live.path = `${here}/state?since=${cursor}`;
  if (state.whole) {
    const known = new Set(state.cards.map((card) => card.id));
    for (const [id, { item }] of cards) if (!known.has(id)) { item.remove(); cards.delete(id); }
  }
  for (const data of state.cards) {
    const card = cards.get(data.id) ?? { item: makeCard(data) };
    card.data = data;
    cards.set(data.id, card);
    fillCard(card);
  }
  if (before && before.best !== state.best) {
    for (const id of [before.best, state.best]) if (cards.has(id)) fillCard(cards.get(id));
    if (state.best) say(`A new best: ${cards.get(state.best)?.data.score}`);
  }
  if (before && before.status !== state.status) for (const card of cards.values()) fillCard(card);
  if (state.cards.length || (before && before.best !== state.best)) sort();
  if (state.prompt) {
    document.title = `${state.status === "complete" ? "✓ " : ""}${state.prompt}`;
    $("#title").textContent = state.prompt;
    $("#person").textContent = `For ${state.person}.`;
  }
  const status = $("#status"), now = state.pausing ? "Pausing after this picture" : state.stopping ? "Finishing" : STATUS[state.status];
  if (status.textContent !== now) { status.textContent = now; if (before) say(now); }
  const working = state.status === "running";
  $("#phase").textContent = state.status === "error" ? sentence(state.error ?? "") : state.status === "complete" ? (state.gain ? `The best is predicted ${state.gain} above your words.` : "")
    : state.status === "starting" ? (state.phase || "the models are being loaded") : state.status === "interrupted" ? (state.error ? sentence(state.error) : "Nothing is lost; go on whenever you like.") : state.status === "waiting" ? "Nothing is painted before you say so, below." : state.total ? `${state.phase}, ${state.done} of ${state.total}` : state.phase;
  $("#left").textContent = state.left;
  const share = state.status === "complete" ? 100 : state.total ? Math.round(100 * state.done / state.total) : 0;
  const bar = $(".bar");
  bar.setAttribute("aria-valuenow", String(share));
  bar.firstElementChild.style.width = `${share}%`;
  $("#verdict").replaceChildren(...state.verdict.map((text) => element("li", { textContent: text })));
  $("#pause").hidden = !(working || state.status === "waiting");
  $("#pause").disabled = state.pausing;
  $("#stop").hidden = !(working || state.status === "waiting");
  $("#stop").disabled = state.stopping;
  $("#go-on").hidden = !["interrupted", "error"].includes(state.status) || !state.cursor;
  $("#asking").hidden = !(working || state.status === "waiting");
  $("#asks").checked = state.asks;
  $("#gallery").hidden = !state.pictures;
  $("#hint").textContent = hint();
  $("#count").textContent = state.pictures ? `${state.pictures}${state.status === "complete" ? "" : " so far"}, ${state.round} of ${state.rounds} rounds done` : "The first one appears as soon as it is painted.";
  showReview(state.review);
  if (opened && cards.has(opened)) fillLarge();
  live.lookIn(["complete", "interrupted", "error"].includes(state.status) ? 4000 : 700);
};

const live = new Live(`${here}/state?since=`, restart, (fresh) => show(fresh));

// --- choosing: one after the other, each kept until it is on disk

let queue = Promise.resolve(), waiting = unsaved.get() ?? [];
const keep = () => unsaved.set(waiting.length ? waiting : null);
const send = (body) => {
  queue = queue.then(() => live.change(async () => {
    try { return await insist("POST", `${here}/picks?since=${cursor}`, body, { what: "Your choice", restart }); } catch (error) {
      if (!(error instanceof Refused)) throw error;
      trouble(sentence(error.message));
      setTimeout(() => trouble(""), 8000);
      live.lookIn(300);
      return null;
    } finally { waiting = waiting.filter((one) => one.key !== body.key); keep(); }
  }));
};
const give = (choice) => {
  const body = { key: newKey(), ...choice };
  waiting.push(body);
  keep();
  send(body);
};
for (const body of waiting) send(body); // given before this page was loaded anew

const toggle = (id, kind) => {
  const card = cards.get(id);
  if (!card || !takesPicks()) return;
  if (kind === "more") { if (!card.data.more && state.status !== "complete") { give({ pick: "more", picture: id }); say("More like this"); } return; }
  const now = card.data.pick === kind ? "clear" : kind;
  card.data = { ...card.data, pick: now === "clear" ? null : now, taken: true };
  fillCard(card);
  say({ heart: "Hearted", bury: "Buried", clear: "Neither" }[now]);
  give({ pick: now, picture: id });
};

grid.addEventListener("click", (event) => {
  const id = event.target.closest(".card")?.dataset.id;
  const pick = event.target.closest("[data-pick]");
  if (pick) toggle(id, pick.dataset.pick);
  else if (event.target.closest(".picture")) openLarge(id);
});
$("#pause").addEventListener("click", () => give({ pick: "pause" }));
$("#stop").addEventListener("click", () => give({ pick: "stop" }));
$("#asks").addEventListener("change", (event) => give({ pick: "review", on: event.target.checked }));
$("#render").addEventListener("click", () => { if (state.review) give({ pick: "go", iteration: state.review.iteration }); });
$("#add").addEventListener("submit", (event) => {
  event.preventDefault();
  const to = $("#own").value.trim();
  if (!to) return;
  $("#own").value = "";
  give({ pick: "add", to });
});
$("#go-on").addEventListener("click", () => live.change(async () => {
  try { return await insist("POST", `${here}/resume`, {}, { what: "Going on", restart }); } catch (error) { trouble(sentence(error.message)); live.lookIn(500); return null; }
}));

// --- large, and keys

const choosing = makePicks();
large.querySelector(".side").append(choosing);
choosing.addEventListener("click", (event) => {
  const pick = event.target.closest("[data-pick]");
  if (pick) { toggle(opened, pick.dataset.pick); fillLarge(); }
});
const order = () => [...grid.children].map((item) => item.dataset.id);
const fillLarge = () => {
  const { data } = cards.get(opened);
  const picture = large.querySelector("img"), source = `/runs/${encodeURIComponent(name)}/images/${opened}.png`;
  if (picture.getAttribute("src") !== source) { picture.src = source; picture.alt = data.prompt; }
  large.querySelector(".value").textContent = `${data.score}${data.pick && !takesPicks() ? (data.pick === "heart" ? "  ♥" : "  buried") : ""}`;
  large.querySelector(".words").replaceChildren(...words(data.diff));
  fillPicks(choosing, data);
};
const openLarge = (id) => { opened = id; fillLarge(); if (!large.open) large.showModal(); };
large.addEventListener("close", () => { const id = opened; opened = null; cards.get(id)?.item.querySelector(".picture").focus(); });
for (const dialog of [large, help]) {
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
$("#keys").addEventListener("click", () => help.showModal());

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  if (event.key === "?") { help.showModal(); return; }
  if (help.open) return;
  const id = opened ?? document.activeElement?.closest?.(".card")?.dataset.id;
  const kind = { h: "heart", b: "bury", m: "more" }[event.key.toLowerCase()];
  if (kind && id) { toggle(id, kind); if (opened) fillLarge(); return; }
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const all = order(), next = all[id ? all.indexOf(id) + step : 0];
  if (!next) return;
  event.preventDefault();
  if (opened) openLarge(next); else cards.get(next).item.querySelector(".picture").focus();
});
