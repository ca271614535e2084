// Uploads of files and folders that resume, by tus-js-client: three at a time, each with its progress and a button that
// pauses it. What was broken off, by a reload too, goes on where it was when the same file is chosen again.
"use strict";

(() => {
  const AT_ONCE = 3, SHOWN = 200;
  const drop = document.getElementById("drop"), list = document.getElementById("uploads");
  const progress = document.getElementById("progress"), words = drop.dataset;
  const csrf = document.body.dataset.csrf;
  const waiting = [];
  let running = 0, total = 0, done = 0, failed = 0, bytes = 0, sent = 0, began = 0;

  const size = (count) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = 0;
    while (count >= 1024 && power < units.length - 1) { count /= 1024; power += 1; }
    return `${count.toLocaleString(words.language, { maximumFractionDigits: 1 })} ${units[power]}`;
  };

  let isDue = false;
  function show() {
    if (isDue) return;
    isDue = true;
    setTimeout(() => {
      isDue = false;
      const seconds = (performance.now() - began) / 1000, speed = sent / Math.max(seconds, 0.1);
      const left = speed > 0 ? Math.ceil((bytes - sent) / speed) : 0;
      let text = `${done} / ${total} · ${size(sent)} / ${size(bytes)}`;
      if (running) text += ` · ${size(speed)}/s · ${left} s ${words.left}`;
      progress.textContent = text;
      if (!running && !waiting.length && done) {
        const link = document.createElement("a");
        link.href = location.href;
        link.textContent = words.reload;
        progress.append(" ", link);
      }
    }, 200);
  }

  function line(path) {
    const item = document.createElement("li");
    const name = document.createElement("bdi"), bar = document.createElement("progress");
    const button = document.createElement("button"), told = document.createElement("span");
    name.textContent = path;
    bar.max = 1; bar.value = 0; bar.setAttribute("aria-label", path);
    button.type = "button"; button.textContent = words.pause;
    item.append(name, bar, button, told);
    if (list.children.length < SHOWN) list.append(item);
    return { item, bar, button, told };
  }

  function begin({ file, path }) {
    const { item, bar, button, told } = line(path);
    let known = 0, isPaused = false, turn = 0;
    const count = (now) => { sent += now - known; known = now; show(); };
    const end = (text, isGood) => {
      running -= 1;
      if (isGood) { done += 1; item.remove(); } else {
        failed += 1; told.textContent = text; told.className = "error"; button.remove(); bar.remove();
        if (!item.isConnected) list.append(item);
      }
      show(); next();
    };
    const upload = new tus.Upload(file, {
      endpoint: words.uploads,
      headers: { "X-CSRF-Token": csrf },
      metadata: { path, overwrite: String(document.getElementById("overwrite").checked), ...(file.type && { filetype: file.type }) },
      retryDelays: [0, 1000, 3000, 5000, 10000],
      removeFingerprintOnSuccess: true,
      fingerprint: async () => ["s3gw", words.uploads, path, file.size, file.lastModified].join("|"),
      onProgress: (now) => { bar.value = file.size ? now / file.size : 1; count(now); },
      onShouldRetry: (error) => {
        const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
        // A browser sends a request whose connection was broken off again by itself, when part of it has arrived.
        const isBehind = status === 409 && error.originalResponse.getBody().includes("OFFSET_MISMATCH");
        return isBehind || status === 0 || status === 423 || status >= 500;
      },
      onError: (error) => {
        const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
        if (status === 429) { // so many requests a minute: the answer says when there may be more
          const seconds = Number(error.originalResponse.getHeader("Retry-After")) || 10;
          told.textContent = words.waits;
          turn = setTimeout(() => { told.textContent = ""; upload.start(); }, seconds * 1000);
          return;
        }
        if (status === 401) { end(words.ended, false); return; }
        const id = error.originalResponse ? error.originalResponse.getHeader("X-Request-Id") : "";
        end(status === 409 ? words.exists : `${words.failed} (${status}${id ? ` · ${id}` : ""})`, false);
      },
      onSuccess: () => { count(file.size); end(words.done, true); },
    });
    button.addEventListener("click", () => {
      isPaused = !isPaused;
      button.textContent = isPaused ? words.resume : words.pause;
      clearTimeout(turn);
      told.textContent = "";
      if (isPaused) upload.abort(); else upload.start();
    });
    running += 1;
    upload.findPreviousUploads().then((found) => {
      if (found.length) upload.resumeFromPreviousUpload(found[0]);
      upload.start();
    });
  }

  function next() {
    while (running < AT_ONCE && waiting.length) begin(waiting.shift());
  }

  function add(file, relative) {
    if (!running && !waiting.length) began = performance.now();
    total += 1; bytes += file.size;
    waiting.push({ file, path: words.prefix + relative });
    show(); next();
  }

  const entriesOf = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

  async function walk(entry) {
    if (entry.isFile) { add(await fileOf(entry), entry.fullPath.replace(/^\//, "")); return; }
    const reader = entry.createReader();
    for (let found = await entriesOf(reader); found.length; found = await entriesOf(reader)) {
      for (const one of found) await walk(one);
    }
  }

  for (const id of ["files", "folder"]) {
    document.getElementById(id).addEventListener("change", (event) => {
      for (const file of event.target.files) add(file, file.webkitRelativePath || file.name);
      event.target.value = "";
    });
  }
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    (async () => { for (const entry of entries) await walk(entry); })();
  });
})();
