// Keys of the list of files. What has data-key is focused, or pressed, by its key; the dialog tells all of them and
// switches them off, since whoever speaks to the browser types letters too.
"use strict";

(() => {
  const dialog = document.getElementById("keys"), off = document.getElementById("keys-off");
  const opener = document.getElementById("keys-open");
  const NAME = "s3gw-keys-off";
  opener.hidden = false;
  off.checked = localStorage.getItem(NAME) === "1";
  off.addEventListener("change", () => localStorage.setItem(NAME, off.checked ? "1" : "0"));
  opener.addEventListener("click", () => dialog.showModal());

  const links = () => [...document.querySelectorAll("#rows th[scope=row] a")];
  const boxes = () => [...document.querySelectorAll("#rows input[type=checkbox]")];
  const rowOf = (element) => element && element.closest("#rows tr");

  function step(by) {
    const all = links(), at = all.findIndex((one) => rowOf(one) === rowOf(document.activeElement));
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
    if (next) next.focus();
  }

  const does = {
    "?": () => dialog.showModal(),
    j: () => step(1),
    k: () => step(-1),
    x: () => { const row = rowOf(document.activeElement); if (row) row.querySelector("input[type=checkbox]")?.click(); },
    a: () => { const all = boxes(), every = all.every((one) => one.checked); for (const one of all) one.checked = !every; },
    h: () => { const above = [...document.querySelectorAll("h1.crumbs a")].at(-2); if (above) above.click(); },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || dialog.open || off.checked) return;
    const there = event.target;
    if (there.matches("input:not([type=checkbox]), textarea, select")) return;
    const wanted = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (does[event.key]) does[event.key]();
    else if (!wanted) return;
    else if (wanted.matches("button")) { if (boxes().some((one) => one.checked)) wanted.click(); } else if (wanted.type === "file") wanted.click();
    else wanted.focus();
    event.preventDefault();
  });
})();
