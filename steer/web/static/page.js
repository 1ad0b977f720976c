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

/** Shown at the top of the page until `trouble("")`. */
export const trouble = (text) => {
  const box = document.getElementById("trouble");
  if (box.textContent === text) return;
  box.textContent = text;
  box.hidden = !text;
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

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/**
 * The same request until the server has done it. Asking twice must be harmless. What stands in the way is
 * shown; `waiting(true)` and `waiting(false)` say when it begins and ends. Throws Refused for a 4xx answer.
 */
export const insist = async (method, path, body, { what, restart, waiting = () => {} }) => {
  for (let pause = 300, late = false; ; pause = Math.min(pause * 1.6, 3000)) {
    try {
      const answer = await ask(method, path, body);
      if (late) { trouble(""); waiting(false); say("Connected again"); }
      return answer;
    } catch (error) {
      if (error instanceof Refused && error.status < 500) {
        if (late) { trouble(""); waiting(false); }
        throw error;
      }
      if (!late) { late = true; waiting(true); }
      trouble(error instanceof Refused
        ? `${what} is not saved: ${error.message}. Trying again …`
        : `${what} is not saved yet: the server does not answer. Start it again with “${restart}”; this page waits and tries again.`);
      await sleep(pause);
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
