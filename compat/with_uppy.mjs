// Uppy in a headless Chromium: a page of another origin uploads by its plugin for TUS, whole and in pieces.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const require = createRequire(import.meta.url);
const api = `${process.env.COMPAT_API}/api/v1`;
console.log(`version: ${JSON.parse(require("node:fs").readFileSync(new URL("node_modules/@uppy/tus/package.json", import.meta.url))).version}`);

const ask = async (method, path, body, headers = {}) => {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch(api + path, { method, headers: { ...json, ...headers }, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
};
const login = { username: process.env.COMPAT_USER, password: process.env.COMPAT_PASSWORD };
const headers = { Authorization: `Bearer ${(await ask("POST", "/users/login", login)).access_token}` };
const bucket = await ask("POST", "/buckets", { name: process.env.COMPAT_BUCKET }, headers);
const given = JSON.stringify({ endpoint: `${api}/buckets/${bucket.id}/uploads`, headers });

const page = `
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
const given = ${given};
const run = async () => {
  const told = [];
  for (const chunkSize of [Infinity, 1 << 20]) {
    const uppy = new Uppy().use(Tus, { ...given, chunkSize, removeFingerprintOnSuccess: true });
    const data = new Blob([new Uint8Array(3 << 20).fill(chunkSize === Infinity ? 1 : 2)]);
    uppy.addFile({ name: "of " + chunkSize + ".bin", type: "application/x-compat", data });
    const { successful, failed } = await uppy.upload();
    told.push([successful.length, failed.map((file) => String(file.error))]);
  }
  return told;
};
run().catch(String).then((told) => fetch("/told", { method: "POST", body: JSON.stringify(told) }));
`;
const bundle = buildSync({
  stdin: { contents: page, resolveDir: dirname(fileURLToPath(import.meta.url)) }, bundle: true, write: false, format: "iife",
}).outputFiles[0].text;

let told;
const answered = new Promise((resolve) => { told = resolve; });
const site = createServer((request, answer) => {
  let body = "";
  request.on("data", (piece) => { body += piece; });
  request.on("end", () => {
    if (request.url === "/told") told(JSON.parse(body));
    answer.setHeader("Content-Type", request.url === "/page.js" ? "text/javascript" : "text/html");
    answer.end(request.url === "/page.js" ? bundle : '<body><script src="/page.js"></script></body>');
  });
});
await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
const options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
const profile = `--user-data-dir=${process.env.COMPAT_WORK}/profile`;
const browser = spawn("chromium", [...options, profile, `http://127.0.0.1:${site.address().port}/`], { stdio: "ignore" });
const late = new Promise((_, reject) => { setTimeout(() => reject(new Error("the page told nothing")), 60_000).unref(); });
try {
  assert.deepEqual(await Promise.race([answered, late]), [[1, []], [1, []]]);
  const { items } = await ask("GET", `/buckets/${bucket.id}/files`, undefined, headers);
  assert.deepEqual(items.map((file) => [file.filename, file.file_size, file.mime_type]).sort(), [
    ["of 1048576.bin", 3 << 20, "application/x-compat"], ["of Infinity.bin", 3 << 20, "application/x-compat"],
  ]);
  for (const file of items) await ask("DELETE", `/buckets/${bucket.id}/files/${file.id}`, undefined, headers);
  await ask("DELETE", `/buckets/${bucket.id}`, undefined, headers);
} finally {
  browser.kill();
  site.close();
  site.closeAllConnections();
}
