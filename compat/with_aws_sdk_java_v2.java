// AWS SDK for Java v2: objects, multipart upload by hand and by the multipart client, presigned URLs, conditions, paging.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import software.amazon.awssdk.core.async.AsyncRequestBody;
import software.amazon.awssdk.core.async.AsyncResponseTransformer;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;

class Day {
    static final String bucket = System.getenv("COMPAT_BUCKET");
    static final S3Client s3 = S3Client.builder().forcePathStyle(true).build();

    public static void main(String[] arguments) throws Exception {
        System.out.println("version: " + VersionInfo.SDK_VERSION);
        s3.createBucket(r -> r.bucket(bucket));
        check(s3.listBuckets().buckets().stream().anyMatch(b -> b.name().equals(bucket)), "bucket is listed");
        byte[] small = sample(1200);
        byte[] large = sample((17 << 20) + 3);
        for (String key : List.of("readme.txt", "ü/日本 語+%20.bin")) {
            s3.putObject(r -> r.bucket(bucket).key(key).metadata(Map.of("origin", "java")), RequestBody.fromBytes(small));
            equal(read(key, null), small, key);
        }
        s3.putObject(r -> r.bucket(bucket).key("empty"), RequestBody.empty());
        equal(read("readme.txt", "bytes=10-19"), Arrays.copyOfRange(small, 10, 20), "range");
        check(s3.headObject(r -> r.bucket(bucket).key("readme.txt")).metadata().get("origin").equals("java"), "metadata");
        byParts(large);
        byMultipartClient(large);
        presigned();
        s3.copyObject(r -> r.sourceBucket(bucket).sourceKey("parts").destinationBucket(bucket).destinationKey("copied"));
        equal(read("copied", null), large, "copied");
        refused(412, () -> s3.putObject(r -> r.bucket(bucket).key("empty").ifNoneMatch("*"), RequestBody.fromString("x")));
        refused(404, () -> read("none", null));
        empty(7);
        s3.deleteBucket(r -> r.bucket(bucket));
        refused(404, () -> s3.headBucket(r -> r.bucket(bucket)));
    }

    static void byParts(byte[] content) {
        String id = s3.createMultipartUpload(r -> r.bucket(bucket).key("parts")).uploadId();
        List<CompletedPart> parts = new ArrayList<>();
        for (int number = 1, start = 0; start < content.length; number++, start += 6 << 20) {
            int part = number;
            byte[] piece = Arrays.copyOfRange(content, start, Math.min(content.length, start + (6 << 20)));
            String etag = s3.uploadPart(r -> r.bucket(bucket).key("parts").uploadId(id).partNumber(part), RequestBody.fromBytes(piece)).eTag();
            parts.add(CompletedPart.builder().partNumber(part).eTag(etag).build());
        }
        check(s3.listParts(r -> r.bucket(bucket).key("parts").uploadId(id)).parts().size() == 3, "parts are listed");
        s3.completeMultipartUpload(r -> r.bucket(bucket).key("parts").uploadId(id).multipartUpload(m -> m.parts(parts)));
        equal(read("parts", null), content, "by parts");
    }

    static void byMultipartClient(byte[] content) {
        try (S3AsyncClient client = S3AsyncClient.builder().forcePathStyle(true).multipartEnabled(true).build()) {
            client.putObject(r -> r.bucket(bucket).key("async"), AsyncRequestBody.fromBytes(content)).join();
            byte[] back = client.getObject(r -> r.bucket(bucket).key("async"), AsyncResponseTransformer.toBytes()).join().asByteArray();
            equal(back, content, "by the multipart client");
        }
    }

    static void presigned() throws Exception {
        HttpClient web = HttpClient.newHttpClient();
        S3Configuration style = S3Configuration.builder().pathStyleAccessEnabled(true).build();
        URI endpoint = URI.create(System.getenv("AWS_ENDPOINT_URL"));
        try (S3Presigner signer = S3Presigner.builder().endpointOverride(endpoint).serviceConfiguration(style).build()) {
            URI put = signer.presignPutObject(r -> r.signatureDuration(Duration.ofMinutes(1))
                .putObjectRequest(p -> p.bucket(bucket).key("pre signed"))).url().toURI();
            HttpRequest request = HttpRequest.newBuilder(put).PUT(HttpRequest.BodyPublishers.ofString("presigned")).build();
            check(web.send(request, HttpResponse.BodyHandlers.ofString()).statusCode() == 200, "presigned PUT");
            URI get = signer.presignGetObject(r -> r.signatureDuration(Duration.ofMinutes(1))
                .getObjectRequest(p -> p.bucket(bucket).key("pre signed"))).url().toURI();
            String body = web.send(HttpRequest.newBuilder(get).build(), HttpResponse.BodyHandlers.ofString()).body();
            check(body.equals("presigned"), "presigned GET");
        }
    }

    static void empty(int expected) {
        List<ObjectIdentifier> found = s3.listObjectsV2Paginator(r -> r.bucket(bucket).maxKeys(2)).contents().stream()
            .map(row -> ObjectIdentifier.builder().key(row.key()).build()).toList();
        check(found.size() == expected, found.size() + " objects listed");
        int deleted = s3.deleteObjects(r -> r.bucket(bucket).delete(d -> d.objects(found))).deleted().size();
        check(deleted == expected, "all deleted");
    }

    static byte[] read(String key, String range) {
        return s3.getObjectAsBytes(r -> r.bucket(bucket).key(key).range(range)).asByteArray();
    }

    static byte[] sample(int size) {
        byte[] content = new byte[size];
        new Random(size).nextBytes(content);
        return content;
    }

    static void equal(byte[] actual, byte[] expected, String what) {
        check(Arrays.equals(actual, expected), what + ": " + actual.length + " bytes differ from " + expected.length);
    }

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static void refused(int status, Runnable call) {
        try {
            call.run();
        } catch (S3Exception answer) {
            check(answer.statusCode() == status, "expected " + status + ", got " + answer.getMessage());
            return;
        }
        throw new AssertionError("should have been refused with " + status);
    }
}
