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
    answer = await response.json();
  } catch { throw new Unreachable("the server does not answer"); }
  if (!response.ok) throw new Refused(answer.error || `error ${response.status}`, response.status);
  return answer;
};

/**
 * The same request until the server has done it. Asking twice must be harmless. What stands in the way is
 * shown, with a button to give up; `waiting(true)` and `waiting(false)` say when that begins and ends. Throws
 * Refused for a 4xx answer, and if the person gives up.
 */
export const insist = async (method, path, body, { what, restart, waiting = () => {} }) => {
  let late = false, gaveUp = false, wake = () => {};
  const giveUp = { label: "Give it up", run: () => { gaveUp = true; wake(); } };
  const end = () => { if (late) { trouble(""); waiting(false); } };
  for (let pause = 300; ; pause = Math.min(pause * 1.6, 3000)) {
    try {
      const answer = await ask(method, path, body);
      end();
      if (late) say("Connected again");
      return answer;
    } catch (error) {
      if (error instanceof Refused && error.status < 500) { end(); throw error; }
      if (!late) { late = true; waiting(true); }
      trouble(error instanceof Refused
        ? `${what} is not saved: ${error.message}. Trying again …`
        : `${what} is not saved yet: the server does not answer. Start it again with “${restart}”; this page waits and tries again.`, giveUp);
      await new Promise((resolve) => { wake = resolve; setTimeout(resolve, pause); });
      if (gaveUp) { end(); throw new Refused("given up", 499); }
    }
  }
};

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
