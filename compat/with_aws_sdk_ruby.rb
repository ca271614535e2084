# AWS SDK for Ruby v3: objects, upload stream, presigned URLs, pages; forms, bucket policy, ACL, CORS.
require "aws-sdk-s3"
require "json"
require "net/http"
require "stringio"

puts "version: #{Aws::S3::GEM_VERSION}"

NAME = ENV.fetch("COMPAT_BUCKET")
MIB = 1024 * 1024
# Older versions of this SDK don't read AWS_ENDPOINT_URL.
SETTINGS = { endpoint: ENV.fetch("AWS_ENDPOINT_URL"), force_path_style: true }.freeze
S3 = Aws::S3::Client.new(**SETTINGS)
ANYBODY = Aws::S3::Client.new(**SETTINGS, unsigned_operations: [:get_object])
BUCKET = Aws::S3::Bucket.new(NAME, client: S3)
FILES = {
  "readme.txt" => Random.bytes(1200), "empty" => "".b, "ü/日本 語+%20.bin" => Random.bytes(70_000)
}.freeze

def same(actual, expected, what)
  return if actual == expected

  raise "#{what}: got #{actual.inspect[0, 500]}, expected #{expected.inspect[0, 500]}"
end

def refused(code)
  yield
rescue Aws::S3::Errors::ServiceError => e
  same(e.code, code, "the error")
else
  raise "should have been refused with #{code}"
end

def read(key, **more)
  S3.get_object(bucket: NAME, key: key, **more).body.read.b
end

def objects
  FILES.each do |key, content|
    S3.put_object(bucket: NAME, key: key, body: content, metadata: { "origin" => "ruby" }, content_type: "x/y")
    same(read(key), content, key)
  end
  head = BUCKET.object("readme.txt")
  same([head.metadata["origin"], head.content_type, head.content_length], ["ruby", "x/y", 1200], "head")
  same(read("readme.txt", range: "bytes=10-19"), FILES["readme.txt"][10, 10], "range")
  tagging = { tag_set: [{ key: "colour", value: "blue" }] }
  S3.put_object_tagging(bucket: NAME, key: "readme.txt", tagging: tagging)
  same(S3.get_object_tagging(bucket: NAME, key: "readme.txt").to_h[:tag_set], tagging[:tag_set], "tags")
  refused("PreconditionFailed") { read("readme.txt", if_match: '"0"') }
  refused("NoSuchKey") { read("none") }
end

# A stream of unknown length goes up in parts, from several threads, and comes back by ranges or parts.
def multipart
  large = Random.bytes(17 * MIB + 3)
  BUCKET.object("large").upload_stream(part_size: 5 * MIB) { |stream| IO.copy_stream(StringIO.new(large), stream) }
  path = File.join(ENV.fetch("COMPAT_WORK"), "large")
  BUCKET.object("large").download_file(path, mode: "get_range", chunk_size: 4 * MIB)
  same(File.binread(path), large, "downloaded by ranges")
  BUCKET.object("from file").upload_file(path, multipart_threshold: 6 * MIB)
  same(read("from file", part_number: 2), large[5 * MIB, 5 * MIB], "part 2")
  BUCKET.object("copied").copy_from("#{NAME}/large", multipart_copy: true, content_length: large.length)
  same(read("copied"), large, "copied by part")
  upload = BUCKET.object("never").initiate_multipart_upload
  upload.part(1).upload(body: "x")
  same(BUCKET.multipart_uploads.map(&:object_key), ["never"], "uploads")
  upload.abort
  refused("NoSuchUpload") { upload.parts.to_a }
end

def presigned
  object = BUCKET.object("pre signed")
  put = URI(object.presigned_url(:put, expires_in: 60))
  answer = Net::HTTP.start(put.host, put.port) { |http| http.send_request("PUT", put.request_uri, "presigned") }
  same(answer.code, "200", "presigned PUT")
  get = object.presigned_url(:get)
  same(Net::HTTP.get(URI(get)), "presigned", "presigned GET")
  same(Net::HTTP.get_response(URI(get.sub("pre%20signed", "large"))).code, "403", "presigned GET of another key")
end

# What became of a form: its status, and the code of a refusal.
def post(form, content, **fields)
  parts = form.fields.merge(fields.transform_keys(&:to_s)).to_a << ["file", content, { filename: "ü 1.txt" }]
  request = Net::HTTP::Post.new(URI(form.url))
  request.set_form(parts, "multipart/form-data")
  answer = Net::HTTP.start(request.uri.host, request.uri.port) { |http| http.request(request) }
  [answer.code, answer.body.to_s[/<Code>(\w+)/, 1]]
end

def forms
  form = BUCKET.presigned_post(
    key_starts_with: "form/", content_type: "text/plain", content_length_range: 1..9, metadata: { "from" => "form" }
  )
  same(post(form, "of a form", key: "form/${filename}"), ["204", nil], "POST")
  same(read("form/ü 1.txt"), "of a form", "what the form stored")
  stored = BUCKET.object("form/ü 1.txt")
  same([stored.content_type, stored.metadata], ["text/plain", { "from" => "form" }], "what the form said of it")
  same(post(form, "of a form", key: "other"), %w[403 AccessDenied], "POST of another key")
  same(post(form, "of a form", key: "form/x", acl: "public-read"), %w[403 AccessDenied], "POST of an ACL")
  same(post(form, "longer than 9", key: "form/x"), %w[400 EntityTooLarge], "POST of too much")
  form = BUCKET.object("form/one").presigned_post(signature_expiration: Time.now + 60, success_action_status: "201")
  same(post(form, "one"), ["201", nil], "POST of one key")
  late = BUCKET.object("form/late").presigned_post(signature_expiration: Time.now - 60)
  same(post(late, "late"), %w[403 AccessDenied], "POST after the policy expired")
end

# A bucket policy opens some keys to everybody once public access isn't blocked any more.
def policy
  statement = { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: "arn:aws:s3:::#{NAME}/form/*" }
  document = JSON.generate({ Version: "2012-10-17", Statement: [statement] })
  anonymous = ->(key) { ANYBODY.get_object(bucket: NAME, key: key).body.read }
  blocks = %i[block_public_acls ignore_public_acls block_public_policy restrict_public_buckets]
  S3.put_public_access_block(bucket: NAME, public_access_block_configuration: blocks.to_h { |name| [name, true] })
  refused("NoSuchBucketPolicy") { S3.get_bucket_policy(bucket: NAME) }
  refused("AccessDenied") { BUCKET.policy.put(policy: document) }
  S3.delete_public_access_block(bucket: NAME)
  refused("MalformedPolicy") { BUCKET.policy.put(policy: document.sub("s3:GetObject", "s3:NoSuchAction")) }
  refused("AccessDenied") { anonymous.call("form/one") }
  BUCKET.policy.put(policy: document)
  same(JSON.parse(S3.get_bucket_policy(bucket: NAME).policy.read), JSON.parse(document), "policy")
  same(S3.get_bucket_policy_status(bucket: NAME).policy_status.is_public, true, "public")
  same(anonymous.call("form/one"), "one", "anonymous GET")
  refused("AccessDenied") { anonymous.call("readme.txt") }
  BUCKET.policy.delete
  refused("NoSuchBucketPolicy") { S3.get_bucket_policy(bucket: NAME) }
  refused("AccessDenied") { anonymous.call("form/one") }
end

# An object's ACL does the same once ACLs are enabled.
def acl
  own = lambda do |mode|
    S3.put_bucket_ownership_controls(bucket: NAME, ownership_controls: { rules: [{ object_ownership: mode }] })
  end
  own.call("BucketOwnerEnforced")
  refused("AccessControlListNotSupported") { BUCKET.object("readme.txt").acl.put(acl: "public-read") }
  own.call("ObjectWriter")
  BUCKET.object("readme.txt").acl.put(acl: "public-read")
  grants = BUCKET.object("readme.txt").acl.grants.map { |row| [row.grantee.uri || row.grantee.type, row.permission] }
  all = "http://acs.amazonaws.com/groups/global/AllUsers"
  same(grants.sort, [%w[CanonicalUser FULL_CONTROL], [all, "READ"]], "grants")
  same(ANYBODY.get_object(bucket: NAME, key: "readme.txt").body.read.b, FILES["readme.txt"], "public by its ACL")
end

def cors
  refused("NoSuchCORSConfiguration") { S3.get_bucket_cors(bucket: NAME) }
  allowed = { allowed_origins: ["https://app.example"], allowed_methods: ["PUT"], allowed_headers: ["*"] }
  rule = { **allowed, max_age_seconds: 60 }
  BUCKET.cors.put(cors_configuration: { cors_rules: [rule] })
  same(S3.get_bucket_cors(bucket: NAME).to_h[:cors_rules].map { |row| row.slice(*rule.keys) }, [rule], "CORS rules")
  asked = { "Origin" => "https://app.example", "Access-Control-Request-Method" => "PUT" }
  where = URI(BUCKET.object("x").public_url)
  preflight = Net::HTTP.start(where.host, where.port) { |http| http.options(where.path, asked) }
  same([preflight.code, preflight["Access-Control-Max-Age"]], %w[200 60], "preflight")
  BUCKET.cors.delete
end

def cleared
  refused("BucketNotEmpty") { BUCKET.delete }
  keys = S3.list_objects_v2(bucket: NAME, max_keys: 2).flat_map { |page| page.contents.map(&:key) }
  wanted = [*FILES.keys, "large", "from file", "copied", "pre signed", "form/ü 1.txt", "form/one"]
  same(keys, wanted.sort_by(&:bytes), "two keys a page")
  BUCKET.objects.batch_delete!
  BUCKET.delete
  S3.wait_until(:bucket_not_exists, { bucket: NAME }, delay: 1)
  same(BUCKET.exists?, false, "the bucket")
end

S3.create_bucket(bucket: NAME)
same(S3.list_buckets.buckets.map(&:name).include?(NAME), true, "list of buckets")
[:objects, :multipart, :presigned, :forms, :policy, :acl, :cors, :cleared].each { |step| send(step) }
