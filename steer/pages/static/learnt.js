import { $, copyFrom } from "/static/page.js";

const button = $("#copy");
if (button) copyFrom(button, () => $("#command").textContent);
