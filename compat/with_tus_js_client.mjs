// tus-js-client: whole, in pieces, in parallel, broken off and gone on with.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { Upload } from "tus-js-client";

const require = createRequire(import.meta.url);
const api = `${process.env.COMPAT_API}/api/v1`;
const name = process.env.COMPAT_BUCKET;
console.log(`version: ${require("tus-js-client/package.json").version}`);

const ask = async (method, path, body, headers = {}) => {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch(api + path, { method, headers: { ...json, ...headers }, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
};
const login = { username: process.env.COMPAT_USER, password: process.env.COMPAT_PASSWORD };
const headers = { Authorization: `Bearer ${(await ask("POST", "/users/login", login)).access_token}` };
const bucket = await ask("POST", "/buckets", { name }, headers);
const endpoint = `${api}/buckets/${bucket.id}/uploads`;

const upload = (content, path, more = {}) => new Promise((resolve, reject) => {
  const sent = new Upload(content, {
    endpoint, headers, metadata: { path, filetype: "image/jpeg" }, retryDelays: [0, 100], onError: reject,
    onSuccess: () => resolve(sent), ...more,
  });
  sent.start();
});
const compare = async (path, content) => {
  const file = await ask("GET", `/buckets/${bucket.id}/file?key=${encodeURIComponent(path)}`, undefined, headers);
  assert.equal(file.checksum, createHash("sha256").update(content).digest("hex"));
  const answer = await fetch(`${api}/buckets/${bucket.id}/files/${file.id}/download`, { headers });
  assert.ok(content.equals(Buffer.from(await answer.arrayBuffer())));
  await fetch(`${api}/buckets/${bucket.id}/files/${file.id}`, { method: "DELETE", headers });
};

const content = randomBytes(12 * 1024 * 1024 + 12345);
await upload(content, "whole ü.jpg");
await compare("whole ü.jpg", content);
await upload(content, "pieces", { chunkSize: 5 * 1024 * 1024 });
await compare("pieces", content);
await upload(content, "with creation", { uploadDataDuringCreation: true });
await compare("with creation", content);
await upload(content, "parallel", { parallelUploads: 3 });
await compare("parallel", content);
await upload(Buffer.alloc(0), "empty");
await compare("empty", Buffer.alloc(0));

const uploadUrl = await new Promise((resolve, reject) => {
  const broken = new Upload(content, {
    endpoint, headers, metadata: { path: "resumed" }, chunkSize: 1024 * 1024, onError: reject,
    onChunkComplete: (size, accepted) => {
      if (accepted >= 3 * 1024 * 1024) broken.abort().then(() => resolve(broken.url), reject);
    },
  });
  broken.start();
});
await upload(content, "resumed", { uploadUrl });
await compare("resumed", content);

const ended = await new Promise((resolve, reject) => {
  const begun = new Upload(content, {
    endpoint, headers, metadata: { path: "ended" }, chunkSize: 1024 * 1024, onError: reject,
    onChunkComplete: () => begun.abort(true).then(() => resolve(begun.url), reject),
  });
  begun.start();
});
assert.equal((await fetch(ended, { method: "HEAD", headers: { ...headers, "Tus-Resumable": "1.0.0" } })).status, 404);

await fetch(`${api}/buckets/${bucket.id}`, { method: "DELETE", headers });
