// AWS SDK for JavaScript v2: objects, managed upload, presigned URLs, pages; forms, bucket policy, ACL, CORS.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import AWS from "aws-sdk";

console.log(`version: ${AWS.VERSION}`);

const Bucket = process.env.COMPAT_BUCKET;
const options = { endpoint: process.env.AWS_ENDPOINT_URL, s3ForcePathStyle: true, params: { Bucket } };
const s3 = new AWS.S3(options);
const signingV4 = new AWS.S3({ ...options, signatureVersion: "v4" });
const read = async (Key, more = {}) => (await s3.getObject({ Key, ...more }).promise()).Body;
const refused = (request, code) => assert.rejects(request.promise(), { code });

await s3.createBucket().promise();
const { Buckets } = await s3.listBuckets({ Bucket: undefined }).promise();
assert(Buckets.some((bucket) => bucket.Name === Bucket));

const files = { "readme.txt": randomBytes(1200), empty: Buffer.alloc(0), "ü/日本 語+%20.bin": randomBytes(70_000) };
for (const [Key, Body] of Object.entries(files)) {
  await s3.putObject({ Key, Body, Metadata: { origin: "node" }, ContentType: "x/y" }).promise();
  assert.deepEqual(await read(Key), Body, Key);
}
const head = await s3.headObject({ Key: "readme.txt" }).promise();
assert.deepEqual([head.Metadata.origin, head.ContentType, head.ContentLength], ["node", "x/y", 1200]);
assert.deepEqual(await read("readme.txt", { Range: "bytes=10-19" }), files["readme.txt"].subarray(10, 20));
const TagSet = [{ Key: "colour", Value: "blue" }];
await s3.putObjectTagging({ Key: "readme.txt", Tagging: { TagSet } }).promise();
assert.deepEqual((await s3.getObjectTagging({ Key: "readme.txt" }).promise()).TagSet, TagSet);

// A stream of unknown length goes up in parts; what an upload that was given up leaves is listed and removed.
const large = randomBytes(17 * 1024 * 1024 + 3);
const pieces = function* () { for (let i = 0; i < large.length; i += 100_000) yield large.subarray(i, i + 100_000); };
const Body = Readable.from(pieces(), { objectMode: false });
await s3.upload({ Key: "large", Body }, { partSize: 5 * 1024 * 1024, queueSize: 3 }).promise();
assert.deepEqual(await read("large"), large);
assert.deepEqual(await read("large", { PartNumber: 2 }), large.subarray(5 * 1024 * 1024, 10 * 1024 * 1024));
await s3.copyObject({ Key: "copied", CopySource: `${Bucket}/large` }).promise();
assert.deepEqual(await read("copied"), large);
const { UploadId } = await s3.createMultipartUpload({ Key: "never" }).promise();
await s3.uploadPart({ Key: "never", UploadId, PartNumber: 1, Body: "x" }).promise();
assert.deepEqual((await s3.listMultipartUploads().promise()).Uploads.map((upload) => upload.Key), ["never"]);
await s3.abortMultipartUpload({ Key: "never", UploadId }).promise();
await refused(s3.listParts({ Key: "never", UploadId }), "NoSuchUpload");

// By default this SDK still presigns with SigV2 in us-east-1.
for (const client of [s3, signingV4]) {
  const put = await client.getSignedUrlPromise("putObject", { Key: "pre signed", Expires: 60 });
  assert.equal((await fetch(put, { method: "PUT", body: "presigned", headers: { "Content-Type": "" } })).status, 200);
  const get = await client.getSignedUrlPromise("getObject", { Key: "pre signed", Expires: 60 });
  assert.equal(await (await fetch(get)).text(), "presigned");
  assert.equal((await fetch(get.replace("pre%20signed", "large"))).status, 403);
}

await refused(s3.getObject({ Key: "large", IfMatch: '"0"' }), "PreconditionFailed");
await refused(s3.getObject({ Key: "none" }), "NoSuchKey");
await refused(s3.deleteBucket(), "BucketNotEmpty");

// Forms: the policy that the SDK signs decides about the key, the type and the length.
const Conditions = [["starts-with", "$key", "form/"], ["content-length-range", 1, 9]];
const form = s3.createPresignedPost({ Bucket, Fields: { "Content-Type": "text/plain" }, Expires: 60, Conditions });
const post = async (fields, content) => {
  const body = new FormData();
  for (const [name, value] of Object.entries({ ...form.fields, ...fields })) body.append(name, value);
  body.append("file", new Blob([content]), "ü 1.txt");
  const answer = await fetch(form.url, { method: "POST", body });
  return [answer.status, (await answer.text()).match(/<Code>(\w+)/)?.[1]];
};
assert.deepEqual(await post({ key: "form/${filename}" }, "of a form"), [204, undefined]);
assert.equal((await read("form/ü 1.txt")).toString(), "of a form");
assert.equal((await s3.headObject({ Key: "form/ü 1.txt" }).promise()).ContentType, "text/plain");
assert.deepEqual(await post({ key: "other" }, "of a form"), [403, "AccessDenied"]);
assert.deepEqual(await post({ key: "form/x", acl: "public-read" }, "of a form"), [403, "AccessDenied"]);
assert.deepEqual(await post({ key: "form/x" }, "longer than 9"), [400, "EntityTooLarge"]);
await refused(s3.getObject({ Key: "form/x" }), "NoSuchKey");

// A bucket policy opens some keys to everybody once public access isn't blocked any more.
const anonymous = (Key) => s3.makeUnauthenticatedRequest("getObject", { Bucket, Key });
const Resource = `arn:aws:s3:::${Bucket}/form/*`;
const Statement = [{ Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource }];
const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
const PublicAccessBlockConfiguration = {
  BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true,
};
await s3.putPublicAccessBlock({ PublicAccessBlockConfiguration }).promise();
await refused(s3.getBucketPolicy(), "NoSuchBucketPolicy");
await refused(s3.putBucketPolicy({ Policy }), "AccessDenied");
await s3.deletePublicAccessBlock().promise();
await refused(s3.putBucketPolicy({ Policy: Policy.replace("s3:GetObject", "s3:NoSuchAction") }), "MalformedPolicy");
await refused(anonymous("form/ü 1.txt"), "AccessDenied");
await s3.putBucketPolicy({ Policy }).promise();
assert.deepEqual(JSON.parse((await s3.getBucketPolicy().promise()).Policy), JSON.parse(Policy));
assert.equal((await s3.getBucketPolicyStatus().promise()).PolicyStatus.IsPublic, true);
assert.equal((await anonymous("form/ü 1.txt").promise()).Body.toString(), "of a form");
await refused(anonymous("readme.txt"), "AccessDenied");
await s3.deleteBucketPolicy().promise();
await refused(s3.getBucketPolicy(), "NoSuchBucketPolicy");
await refused(anonymous("form/ü 1.txt"), "AccessDenied");

// An object's ACL does the same once ACLs are enabled.
const granted = ({ Grants }) => Grants.map((row) => [row.Grantee.URI ?? row.Grantee.Type, row.Permission]).sort();
const own = (ObjectOwnership) => s3.putBucketOwnershipControls({ OwnershipControls: { Rules: [{ ObjectOwnership }] } });
await own("BucketOwnerEnforced").promise();
await refused(s3.putObjectAcl({ Key: "readme.txt", ACL: "public-read" }), "AccessControlListNotSupported");
await own("ObjectWriter").promise();
await s3.putObjectAcl({ Key: "readme.txt", ACL: "public-read" }).promise();
assert.deepEqual(granted(await s3.getObjectAcl({ Key: "readme.txt" }).promise()), [
  ["CanonicalUser", "FULL_CONTROL"], ["http://acs.amazonaws.com/groups/global/AllUsers", "READ"],
]);
assert.deepEqual((await anonymous("readme.txt").promise()).Body, files["readme.txt"]);

const what = { AllowedMethods: ["PUT"], AllowedHeaders: ["*"], ExposeHeaders: [], MaxAgeSeconds: 60 };
const CORSRules = [{ ...what, AllowedOrigins: ["https://app.example"] }];
await refused(s3.getBucketCors(), "NoSuchCORSConfiguration");
await s3.putBucketCors({ CORSConfiguration: { CORSRules } }).promise();
assert.deepEqual((await s3.getBucketCors().promise()).CORSRules, CORSRules);
const asked = { Origin: "https://app.example", "Access-Control-Request-Method": "PUT" };
const preflight = await fetch(`${options.endpoint}/${Bucket}/x`, { method: "OPTIONS", headers: asked });
assert.deepEqual([preflight.status, preflight.headers.get("Access-Control-Max-Age")], [200, "60"]);
await s3.deleteBucketCors().promise();

const keys = [];
await new Promise((done, failed) => s3.listObjectsV2({ MaxKeys: 2 }).eachPage((error, page) => {
  if (error) return failed(error);
  if (page === null) return done();
  keys.push(...page.Contents.map((row) => row.Key));
}));
const wanted = [...Object.keys(files), "large", "copied", "pre signed", "form/ü 1.txt"];
assert.deepEqual(keys, wanted.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
const deleted = await s3.deleteObjects({ Delete: { Objects: keys.map((Key) => ({ Key })) } }).promise();
assert.equal(deleted.Deleted.length, keys.length);
await s3.deleteBucket().promise();
await s3.waitFor("bucketNotExists", { $waiter: { delay: 1 } }).promise();
await refused(s3.headBucket(), "NotFound");
