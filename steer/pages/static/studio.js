// Begin a run: what it would take is asked for at each change, and a run is begun once, however often it is sent.
import { $, Refused, ask, insist, pageData, sentence, trouble } from "/static/page.js";

const { restart } = pageData();
const kind = $("#kind");
const newKey = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
let key = newKey(), paid = 0, timer = 0, turn = 0;

const wish = () => ({
  kind: kind.value === "new" ? "profile" : kind.value,
  who: ["profile", "new"].includes(kind.value) ? kind.selectedOptions[0].dataset.who : $("#who")?.value ?? "",
  age: $("#age")?.value ?? "", gender: $("#gender")?.value ?? "", nationality: $("#nationality")?.value ?? "",
  rounds: Number($("#rounds").value) || 1, pictures: Number($("#pictures").value) || 1,
});

const showKind = () => {
  for (const field of document.querySelectorAll("[data-kind]")) field.hidden = field.dataset.kind !== kind.value;
  $("#form button[type=submit]").textContent = kind.value === "new" ? "Rate pictures" : "Begin";
};
// What was typed is there again after rating pictures, and gone once it is begun.
const typed = { get: () => sessionStorage.getItem("typed") ?? "", set: (text) => sessionStorage.setItem("typed", text) };
$("#prompt").addEventListener("input", () => typed.set($("#prompt").value));

const plan = async () => {
  const mine = ++turn;
  try {
    const found = await ask("POST", "/studio/plan", wish());
    if (mine !== turn) return;
    paid = found.paid;
    $("#plan").textContent = found.text;
    $("#paying").hidden = !paid;
    $("#paying label").textContent = `I agree to pay for up to ${paid} pictures of a hosted model`;
  } catch (error) {
    if (mine === turn) $("#plan").textContent = error instanceof Refused ? sentence(error.message) : "";
  }
};

for (const field of document.querySelectorAll("#form select, #form input")) {
  field.addEventListener("input", () => { showKind(); clearTimeout(timer); timer = setTimeout(plan, 250); });
}

$("#form").addEventListener("submit", async (event) => {
  event.preventDefault();
  trouble("");
  if (kind.value === "new") { open($("#form button[type=submit]"), "rate", kind.selectedOptions[0].dataset.who); return; }
  const button = $("#form button[type=submit]"), words = $("#prompt").value.trim() || $("#prompt").placeholder;
  const body = { ...wish(), key, prompt: words, asks: $("#asks").checked, paid: paid && $("#paid").checked ? paid : 0 };
  button.disabled = true;
  try {
    const { name } = await insist("POST", "/studio/begin", body, { what: "This run", restart });
    typed.set("");
    location.assign(`/studio/runs/${encodeURIComponent(name)}/`);
  } catch (error) {
    trouble(sentence(error.message));
    $("#trouble").scrollIntoView({ block: "center" });
    button.disabled = false;
  }
});

const chosen = () => [...document.querySelectorAll(".choose:checked")];
const showChosen = () => {
  if (!$("#chosen")) return; // no runs yet
  $("#chosen").hidden = chosen().length === 0;
  $("#compare").disabled = chosen().length !== 2;
};
for (const box of document.querySelectorAll(".choose")) box.addEventListener("change", showChosen);

const open = async (button, what, name = "me") => {
  const label = button.textContent;
  button.disabled = true;
  button.textContent = "Opening, a moment …";
  try {
    const body = { what, name, runs: chosen().map((box) => box.value) };
    location.assign((await ask("POST", "/studio/open", body, 150000)).url);
  } catch (error) {
    trouble(sentence(error.message));
    $("#trouble").scrollIntoView({ block: "center" });
  }
  button.textContent = label;
  button.disabled = false;
};
for (const button of document.querySelectorAll("[data-open]")) {
  button.addEventListener("click", () => open(button, button.dataset.open, button.dataset.name));
}

$("a[href='#begin']")?.addEventListener("click", () => setTimeout(() => $("#prompt").focus(), 0));
// Brought back from the browser's cache, the page may be older than the runs: then it is loaded anew.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
  key = newKey();
  $("#prompt").value ||= typed.get();
  if (typed.get()) $("#begin").scrollIntoView(); // back from rating: here it goes on
  showKind();
  showChosen(); // the browser remembers what was ticked before this page was loaded
  plan();
});
