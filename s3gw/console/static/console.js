// What no page can do without a script: copying a text, and telling what htmx was refused.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    // Without TLS there is no clipboard for pages: the text is selected, for the keyboard to copy.
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    if (!document.execCommand("copy")) return;
  }
  const told = document.getElementById("copied");
  if (told) told.textContent = told.dataset.text;
});

function tell(words) {
  const place = document.getElementById("alert");
  place.textContent = words;
  place.hidden = false;
}

document.addEventListener("htmx:responseError", (event) => tell(event.detail.xhr.responseText.trim()));
document.addEventListener("htmx:afterSwap", () => { document.getElementById("alert").hidden = true; });
