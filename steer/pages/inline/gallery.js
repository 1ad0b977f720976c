// The page is complete without this script: it adds the lightbox, the keyboard and the copy buttons.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.replace("no-js", "js");
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const links = [...document.querySelectorAll(".card > a[data-id]")];
  const box = document.getElementById("light");
  const help = document.getElementById("help");
  const live = document.getElementById("live");
  const part = (name) => box.querySelector(`[data-part="${name}"]`);
  const say = (text) => { live.textContent = ""; requestAnimationFrame(() => { live.textContent = text; }); };
  let at = 0; // position in links, the same in grid and lightbox
  let pinned = null; // id of the picture that the shown one is compared with
  let raw = false;
  let inBox = false; // closing the lightbox gives the focus back to where it was opened, which is not `at`

  // Roving tabindex: the grid is one stop of the Tab key, arrows move inside it.
  const select = (index, focus = true) => {
    at = Math.max(0, Math.min(links.length - 1, index));
    links.forEach((link, i) => { link.tabIndex = i === at ? 0 : -1; });
    if (focus) links[at].focus();
  };
  const above = (index, step) => {
    const from = links[index].getBoundingClientRect();
    let found = index, closest = Infinity;
    links.forEach((link, i) => {
      const to = link.getBoundingClientRect();
      const rows = (to.top - from.top) * step;
      if (rows < from.height / 2) return;
      const distance = rows * 10 + Math.abs(to.left - from.left);
      if (distance < closest) { closest = distance; found = i; }
    });
    return found;
  };

  const view = (id) => {
    const link = links.find((one) => one.dataset.id === id);
    const figure = document.createElement("figure");
    const image = document.createElement("img");
    const caption = document.createElement("figcaption");
    // The original lies beside the page; moved away from its folder, the page still has its thumbnail.
    image.addEventListener("error", () => { image.src = link.querySelector("img").src; }, { once: true });
    image.src = link.getAttribute("href");
    image.alt = facts.candidates[id].prompt;
    caption.textContent = `${id}, ${facts.candidates[id].caption}`;
    figure.append(image, caption);
    return figure;
  };
  const show = () => {
    const link = links[at], id = link.dataset.id, fact = facts.candidates[id];
    const comparing = pinned !== null && pinned !== id;
    part("views").replaceChildren(...(comparing ? [view(pinned), view(id)] : [view(id)]));
    box.querySelector(".light").classList.toggle("comparing", comparing);
    part("title").textContent = fact.title;
    part("score").textContent = fact.score;
    part("rank").textContent = fact.rank;
    part("prompt").replaceChildren(...[...link.closest(".card").querySelector(".prompt").childNodes].map((node) => node.cloneNode(true)));
    part("reason").textContent = fact.reason || "";
    part("seed").textContent = fact.seed;
    part("compare").textContent = pinned === null ? "Compare with another (c)" : "Stop comparing (c)";
    part("meta").hidden = !raw;
    part("meta").textContent = JSON.stringify(fact.meta, null, 2);
    part("open").href = link.getAttribute("href");
    history.replaceState(null, "", `#${id}` + (comparing ? `=${pinned}` : ""));
    say(`${fact.title}, ${fact.caption}` + (comparing ? `, beside ${pinned}` : ""));
    document.dispatchEvent(new CustomEvent("shown", { detail: id })); // a served page has a rating control
  };
  const open = (index) => { select(index, false); inBox = true; if (!box.open) box.showModal(); show(); };
  const compare = () => {
    if (!box.open) { open(at); }
    pinned = pinned === null ? links[at].dataset.id : null;
    show();
    if (pinned !== null) say(`${pinned} is pinned: move with the arrows to compare`);
  };

  links.forEach((link, i) => {
    link.setAttribute("aria-haspopup", "dialog");
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab was asked for
      event.preventDefault();
      open(i);
    });
    link.addEventListener("focus", () => { if (!inBox) select(i, false); });
  });
  document.querySelectorAll("[data-open]").forEach((link) => link.addEventListener("click", (event) => {
    const index = links.findIndex((one) => one.dataset.id === link.dataset.open);
    if (index < 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(index);
  }));
  box.addEventListener("close", () => {
    pinned = null;
    inBox = false;
    history.replaceState(null, "", location.pathname + location.search);
    select(at);
  });
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  part("close").addEventListener("click", () => box.close());
  part("previous").addEventListener("click", () => { select(at - 1, false); show(); });
  part("next").addEventListener("click", () => { select(at + 1, false); show(); });
  part("compare").addEventListener("click", compare);
  part("raw").addEventListener("click", () => { raw = !raw; show(); });
  help.querySelector("button").addEventListener("click", () => help.close());
  document.querySelectorAll("[data-help]").forEach((one) => one.addEventListener("click", () => help.showModal()));

  // Clipboards refuse some local pages; a selected text area works everywhere.
  const copy = async (text) => {
    try { await navigator.clipboard.writeText(text); } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      (box.open ? box : document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const fact = facts.candidates[button.dataset.id || links[at].dataset.id];
    await copy(button.dataset.copy === "command" ? facts.command : fact.prompt);
    const label = button.textContent;
    button.textContent = "Copied";
    say("Copied");
    setTimeout(() => { button.textContent = label; }, 1200);
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable) return;
    const inGrid = links.includes(document.activeElement);
    const moves = {
      ArrowLeft: () => at - 1, ArrowRight: () => at + 1, Home: () => 0, End: () => links.length - 1,
      ArrowUp: () => above(at, -1), ArrowDown: () => above(at, 1),
    };
    if (event.key in moves && (box.open || inGrid)) {
      event.preventDefault();
      if (box.open) {
        select(event.key === "ArrowUp" ? at - 1 : event.key === "ArrowDown" ? at + 1 : moves[event.key](), false);
        show();
      } else select(moves[event.key]());
    } else if (event.key === "?") { help.showModal(); }
    else if (event.key === "c" && (box.open || inGrid)) { compare(); }
    else if (event.key === "m" && (box.open || inGrid)) { raw = !raw; if (box.open) show(); else open(at); }
  });

  if (links.length) {
    select(0, false);
    const [id, other] = location.hash.slice(1).split("=");
    const index = links.findIndex((one) => one.dataset.id === id);
    if (index >= 0) {
      if (other in facts.candidates) pinned = other;
      open(index);
    }
  }
})();
