import { $, Refused, insist, pageData, trouble } from "/static/page.js";

const { restart } = pageData();
const form = $("#about");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = (name) => form.elements[name].value.trim();
  const age = text("age");
  if (age && !/^\d{1,3}$/.test(age)) {
    trouble("The age is a number of years. Correct it, or leave it empty.");
    form.elements.age.focus();
    return;
  }
  const told = { age: age ? Number(age) : null, gender: text("gender") || null, nationality: text("nationality") || null };
  try {
    await insist("POST", "/demographics", told, { what: "What you told", restart });
    location.assign("/rate");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    trouble(error.message);
  }
});
form.querySelector("[type=submit]").disabled = false; // only now is somebody listening
