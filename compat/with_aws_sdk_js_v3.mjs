// AWS SDK for JavaScript v3: objects, lib-storage's multipart upload, presigned URLs, paginators, conditions.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import {
  CopyObjectCommand, CreateBucketCommand, DeleteBucketCommand, DeleteObjectsCommand, GetObjectCommand,
  HeadBucketCommand, HeadObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client, paginateListObjectsV2,
  waitUntilBucketNotExists,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const require = createRequire(import.meta.url);
console.log(`version: ${require("@aws-sdk/client-s3/package.json").version}`);

const Bucket = process.env.COMPAT_BUCKET;
const s3 = new S3Client({ forcePathStyle: true });
const read = async (Key, more = {}) =>
  Buffer.from(await (await s3.send(new GetObjectCommand({ Bucket, Key, ...more }))).Body.transformToByteArray());

await s3.send(new CreateBucketCommand({ Bucket }));
const { Buckets } = await s3.send(new ListBucketsCommand({}));
assert(Buckets.some((bucket) => bucket.Name === Bucket));

const files = { "readme.txt": randomBytes(1200), "empty": Buffer.alloc(0), "ü/日本 語+%20.bin": randomBytes(70_000) };
for (const [Key, Body] of Object.entries(files)) {
  await s3.send(new PutObjectCommand({ Bucket, Key, Body, Metadata: { origin: "node" }, ContentType: "x/y" }));
  assert.deepEqual(await read(Key), Body, Key);
}
const head = await s3.send(new HeadObjectCommand({ Bucket, Key: "readme.txt", ChecksumMode: "ENABLED" }));
assert.deepEqual([head.Metadata.origin, head.ContentType, head.ContentLength], ["node", "x/y", 1200]);
assert(head.ChecksumCRC32, "the default integrity checksum is kept");
assert.deepEqual(await read("readme.txt", { Range: "bytes=10-19" }), files["readme.txt"].subarray(10, 20));

// A stream of unknown length goes up in parts, each in signed chunks with a trailing checksum.
const large = randomBytes(17 * 1024 * 1024 + 3);
const pieces = function* () { for (let i = 0; i < large.length; i += 100_000) yield large.subarray(i, i + 100_000); };
await new Upload({ client: s3, params: { Bucket, Key: "large", Body: Readable.from(pieces()) }, queueSize: 3 }).done();
assert.deepEqual(await read("large"), large);
await s3.send(new CopyObjectCommand({ Bucket, Key: "copied", CopySource: `${Bucket}/large` }));
assert.deepEqual(await read("copied"), large);

const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "pre signed" }), { expiresIn: 60 });
assert.equal((await fetch(put, { method: "PUT", body: "presigned" })).status, 200);
const get = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "pre signed" }), { expiresIn: 60 });
assert.equal(await (await fetch(get)).text(), "presigned");
assert.equal((await fetch(get.replace("pre%20signed", "large"))).status, 403);

const refused = (promise, name) => assert.rejects(promise, (error) => error.name === name);
await refused(s3.send(new PutObjectCommand({ Bucket, Key: "large", Body: "x", IfNoneMatch: "*" })), "PreconditionFailed");
await refused(s3.send(new GetObjectCommand({ Bucket, Key: "none" })), "NoSuchKey");
await refused(s3.send(new DeleteBucketCommand({ Bucket })), "BucketNotEmpty");

const keys = [];
for await (const page of paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket })) keys.push(...page.Contents.map((row) => row.Key));
assert.deepEqual(keys, [...Object.keys(files), "large", "copied", "pre signed"].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
const deleted = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }));
assert.equal(deleted.Deleted.length, keys.length);
await s3.send(new DeleteBucketCommand({ Bucket }));
await waitUntilBucketNotExists({ client: s3, maxWaitTime: 10 }, { Bucket });
await assert.rejects(s3.send(new HeadBucketCommand({ Bucket })));
