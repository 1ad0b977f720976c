// What the pages share: asking the server, saying so when it cannot be asked, speaking to screen readers.

/** The server answered, and the answer is no. */
export class Refused extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

/** There was no answer at all. */
export class Unreachable extends Error {}

export const $ = (selector) => document.querySelector(selector);

/** The values that came with the page. */
export const pageData = () => JSON.parse(document.getElementById("data").textContent);

/** Read out by screen readers; the same text twice is read twice. */
export const say = (text) => {
  const live = document.getElementById("live");
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
};

/** What the server says in passing, as a sentence. */
export const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

let troubled = "";
/** Shown at the top of the page until `trouble("")`, with a button if there is an action {label, run}. */
export const trouble = (text, action = null) => {
  const box = document.getElementById("trouble");
  if (troubled === text) return; // an alert that is written again is read again
  troubled = text;
  box.textContent = text;
  box.hidden = !text;
  if (!action) return;
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: action.label });
  button.addEventListener("click", action.run, { once: true });
  box.append(" ", button);
};

// Given to pages that were let in, and kept here only: what is stored, a stranger on our port could read.
const reconnectionKey = fetch("/key").then((response) => (response.ok ? response.json() : {}))
  .then(({ key }) => key ?? "", () => "");

const toHex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Whether a server that was started anew lets this page in. It must prove first that it is ours: see guard.py. */
const reconnect = async () => {
  const key = await reconnectionKey;
  if (!key) return false;
  const bytes = Uint8Array.from(key.match(/../g), (pair) => Number.parseInt(pair, 16));
  const signer = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const proofOf = async (text) => toHex(await crypto.subtle.sign("HMAC", signer, new TextEncoder().encode(text)));
  const send = async (values) => {
    const response = await fetch(`/reconnect?${new URLSearchParams(values)}`, { method: "POST", signal: AbortSignal.timeout(20000) });
    return response.ok ? response.json() : {};
  };
  const nonce = toHex(crypto.getRandomValues(new Uint8Array(16)));
  const server = await send({ nonce });
  if (server.proof !== await proofOf(`server ${nonce} ${server.nonce}`)) return false;
  return (await send({ nonce: server.nonce, proof: await proofOf(`page ${server.nonce}`) })).connected === true;
};

/** One request. `body` is sent as JSON, or as it is if it is a Blob. Throws Refused or Unreachable. */
export const ask = async (method, path, body, patience = 20000) => {
  const options = { method, signal: AbortSignal.timeout(patience) };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.headers = { "content-type": "application/json" };
    options.body = JSON.stringify(body);
  }
  let response, answer;
  try {
    response = await fetch(path, options);
    if (response.status === 403 && await reconnect()) response = await fetch(path, options);
    answer = await response.json();
  } catch { throw new Unreachable("the server does not answer"); }
  if (!response.ok) throw new Refused(answer.error || `error ${response.status}`, response.status);
  return answer;
};

/** No is the answer, however often it is asked. A page that is not let in may be, once its person opens the new address. */
const isFinal = (error) => error instanceof Refused && error.status < 500 && error.status !== 403;

const warn = (event) => { event.preventDefault(); };

/**
 * The same request until the server has done it. Asking twice must be harmless. What stands in the way is
 * shown, with a button to give up, and who leaves the page meanwhile is warned. Throws Refused for a final
 * answer, and if the person gives up.
 */
export const insist = async (method, path, body, { what, restart }) => {
  let late = false, gaveUp = false, wake = () => {};
  const giveUp = { label: "Give it up", run: () => { gaveUp = true; wake(); } };
  const end = () => { if (late) { trouble(""); removeEventListener("beforeunload", warn); } };
  for (let pause = 300; ; pause = Math.min(pause * 1.6, 3000)) {
    try {
      const answer = await ask(method, path, body);
      end();
      if (late) say("Connected again");
      return answer;
    } catch (error) {
      if (isFinal(error)) { end(); throw error; }
      if (!late) { late = true; addEventListener("beforeunload", warn); }
      trouble(error instanceof Refused
        ? `${what} is not saved: ${error.message}. Trying again …`
        : `${what} is not saved yet: the server does not answer. Start it again with “${restart}”; this page waits and tries again.`, giveUp);
      await new Promise((resolve) => { wake = resolve; setTimeout(resolve, pause); });
      if (gaveUp) { end(); throw new Refused("given up", 499); }
    }
  }
};

/** What was given and is not yet known to be on disk, in case this page is loaded again meanwhile. */
export const unsaved = {
  key: `unsaved ${location.pathname}`,
  get() { try { return JSON.parse(sessionStorage.getItem(this.key)); } catch { return null; } },
  set(given) { try { sessionStorage.setItem(this.key, JSON.stringify(given)); } catch { /* a cache only */ } },
};

/**
 * The state of the page, as the server has it; `show(state)` shows it.
 *
 * A page that is shown can be old: another tab, or the same one before a reload, changed something since it
 * was made, or the browser brings it back from its cache. So the state never comes with the page: it is asked
 * for whenever the page is shown, until there is an answer. `hide()` takes away what may be wrong by then.
 */
export class Live {
  busy = false; // something is being changed
  #due = false; // the state is to be asked for, or was, and the answer is not here yet
  #turn = 0; // an answer that something newer overtook is not shown
  #timer = 0;
  #lost = false;

  constructor(path, restart, show, hide = () => {}) {
    Object.assign(this, { path, restart, show });
    addEventListener("pageshow", () => this.look());
    addEventListener("pagehide", () => { this.#begin(); this.#due = true; hide(); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.look(); });
  }

  /** Ask now, or after what is being changed. */
  async look() {
    this.#due = true;
    if (this.busy) return;
    const mine = this.#begin();
    let state, error = null;
    try { state = await ask("GET", this.path); } catch (caught) { error = caught; }
    if (mine !== this.#turn) return;
    if (error === null) {
      this.#due = false;
      if (this.#lost) trouble("");
      this.#lost = false;
      this.show(state);
      return;
    }
    this.#lost = true;
    trouble(error instanceof Refused ? sentence(error.message)
      : `The server does not answer. Start it again with “${this.restart}”; this page waits and tries again.`);
    if (!isFinal(error)) this.lookIn(1000);
  }

  /** Ask in so many milliseconds, unless something else is asked before. */
  lookIn(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.look(), pause);
  }

  /** Do `work`, which changes the state, and show what it returns, if anything, as the new state. */
  async change(work) {
    this.#begin();
    this.busy = true;
    let state;
    try { state = await work(); } finally { this.busy = false; }
    if (this.#due) this.look(); // what was answered may be older than that
    else if (state) this.show(state);
  }

  #begin() {
    clearTimeout(this.#timer);
    return ++this.#turn;
  }
}

/** Copy text; the button says so for a moment. Clipboards refuse some local pages, a selected area works. */
export const copyFrom = (button, text) => button.addEventListener("click", async () => {
  try { await navigator.clipboard.writeText(text()); } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text() });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const label = button.textContent;
  button.textContent = "Copied";
  say("Copied");
  setTimeout(() => { button.textContent = label; }, 1200);
});
