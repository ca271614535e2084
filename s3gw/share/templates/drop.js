// Sends the files of a drop box one after the other, as uploads that resume (TUS 1.0.0). What breaks off is gone on with
// from the byte that is stored, also by a page that is opened later: the browser remembers the id of an upload, not the link.
"use strict";
(() => {
  const form = document.querySelector("form[data-uploads]");
  const list = document.getElementById("sent");
  const uploads = new URL(form.dataset.uploads, location.href).href;
  const most = Number(form.dataset.most);
  const MOST_TRIES = 60; // one after the other, none of which stores anything
  const LONGEST_WAIT = 30000; // ms
  const REASONS = {
    401: "The password is asked for again: load this page anew.",
    403: "The password is asked for again: load this page anew.",
    404: "This link isn't good any more.",
    413: "There isn't so much room here.",
    415: "Files of this type aren't taken here.",
    507: "There is no room here just now.",
  };
  let sending = Promise.resolve();
  let waiting = 0; // files that aren't over

  const sizeInWords = (size) => {
    const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let power = 0;
    while (size >= 1024 && power < units.length - 1) { size /= 1024; power += 1; }
    return power ? `${size.toFixed(1)} ${units[power]}` : `${size} bytes`;
  };

  const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

  // Of what this browser has begun. Where it keeps nothing, an upload begins anew with the page.
  const memoryOf = (file) => {
    const name = `s3gw upload ${file.size} ${file.lastModified} ${file.name}`;
    const quietly = (act) => { try { return act(); } catch { return null; } };
    return {
      recall: () => quietly(() => localStorage.getItem(name)),
      keep: (id) => quietly(() => localStorage.setItem(name, id)),
      forget: () => quietly(() => localStorage.removeItem(name)),
    };
  };

  class Item {
    constructor(file) {
      this.file = file;
      this.isCancelled = false;
      this.request = null;
      this.wake = () => {};
      this.row = document.createElement("li");
      const name = document.createElement("span");
      name.className = "name";
      name.textContent = file.name;
      this.bar = document.createElement("progress");
      this.bar.max = Math.max(file.size, 1);
      this.bar.value = 0;
      this.bar.setAttribute("aria-label", file.name);
      this.words = document.createElement("span");
      this.button = document.createElement("button");
      this.button.type = "button";
      this.button.textContent = "Cancel";
      this.button.addEventListener("click", () => this.cancel());
      this.row.append(name, this.bar, this.words, this.button);
      list.append(this.row);
      this.say("Waits.");
    }

    say(words) { this.words.textContent = words; }

    show(sent) {
      this.bar.value = sent;
      const part = this.file.size ? Math.floor((sent / this.file.size) * 100) : 100;
      this.say(`${part} % of ${sizeInWords(this.file.size)}`);
    }

    end(state, words) {
      this.row.className = this.row.dataset.state = state;
      this.say(words);
      this.button.remove();
      if (state === "done") this.bar.value = this.bar.max;
    }

    cancel() {
      this.isCancelled = true;
      if (this.request) this.request.abort();
      this.wake();
    }
  }

  // Status 0: the connection broke, or there is none.
  const ask = (item, method, url, headers, body = null) => new Promise((resolve) => {
    const request = item.request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries({ "Tus-Resumable": "1.0.0", ...headers })) request.setRequestHeader(name, value);
    if (body) {
      const from = Number(headers["Upload-Offset"]);
      request.upload.addEventListener("progress", (event) => item.show(from + event.loaded));
    }
    request.addEventListener("loadend", () => { item.request = null; resolve(request); });
    request.send(body);
  });

  const pause = (item, tries) => new Promise((resolve) => {
    const wait = Math.min(LONGEST_WAIT, 500 * 2 ** Math.min(tries, 10));
    const done = () => { clearTimeout(timer); window.removeEventListener("online", done); resolve(); };
    const timer = setTimeout(done, wait * (0.5 + Math.random() / 2));
    window.addEventListener("online", done);
    item.wake = done;
  });

  const begin = (item) => {
    const { name, type, size } = item.file;
    const said = `filename ${base64(name)}${type ? `,filetype ${base64(type)}` : ""}`;
    return ask(item, "POST", uploads, { "Upload-Length": String(size), "Upload-Metadata": said });
  };

  const append = (item, url, offset) => {
    const headers = { "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
    return ask(item, "PATCH", url, headers, item.file.slice(offset));
  };

  // Gives "" when all has arrived, else why not. `offset` -1: it is to be asked for.
  const send = async (item) => {
    const { file } = item;
    const memory = memoryOf(file);
    if (file.size > most) return `A file may have ${sizeInWords(most)}.`;
    let known = memory.recall();
    let url = known && `${uploads}/${encodeURIComponent(known)}`;
    let offset = -1;
    for (let tries = 0; tries < MOST_TRIES;) {
      const answer = !url ? await begin(item) : offset < 0 ? await ask(item, "HEAD", url, {}) : await append(item, url, offset);
      if (item.isCancelled) {
        if (url) await ask(item, "DELETE", url, {});
        memory.forget();
        return "Cancelled.";
      }
      const { status } = answer;
      if (status >= 200 && status < 300) {
        const come = Number(answer.getResponseHeader("Upload-Offset"));
        if (!url) {
          url = new URL(answer.getResponseHeader("Location"), uploads).href;
          memory.keep(url.split("/").pop());
        }
        if (come > offset) tries = 0;
        offset = come;
        item.show(offset);
        if (offset >= file.size) { memory.forget(); return ""; }
        continue;
      }
      if (status === 404 && known) { // another link's, or over: not what is to be told
        memory.forget();
        url = known = null;
        offset = -1;
        continue;
      }
      if (status >= 400 && status < 500 && ![408, 409, 423, 429].includes(status)) {
        if (status !== 401 && status !== 403) memory.forget();
        return REASONS[status] || "It was refused.";
      }
      if (status === 507) return REASONS[507];
      offset = -1;
      item.say(status === 409 ? "Goes on." : "The connection broke. It goes on by itself.");
      await pause(item, tries);
      tries += 1;
    }
    return "The connection is too bad. Choose the file again, and it goes on where it was.";
  };

  const add = (files) => {
    for (const file of files) {
      const item = new Item(file);
      waiting += 1;
      sending = sending.then(async () => {
        let why = "This browser couldn't send it.";
        try { why = item.isCancelled ? "Cancelled." : await send(item); } catch (error) { console.error(error); }
        waiting -= 1;
        item.end(why ? "wrong" : "done", why || "Has arrived. Thank you.");
      });
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    add([...form.elements.files.files]);
    form.reset();
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    add([...event.dataTransfer.files].filter((file) => file.size || file.type)); // a folder has neither
  });
  window.addEventListener("beforeunload", (event) => { if (waiting) event.preventDefault(); });
})();
