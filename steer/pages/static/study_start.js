// A name, and on to the pictures.
import { $, Refused, insist, pageData, trouble } from "/static/page.js";

const { restart } = pageData();
$("#begin").addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = { name: $("#name").value, person: $("#person")?.value || null };
  try {
    location.assign((await insist("POST", "/study/raters", told, { what: "Your name", restart })).address);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    trouble(`That did not work: ${error.message}.`);
  }
});
$("#begin button").disabled = false; // before, there was nobody to send the form
