// Hadoop's S3A: the file system that Spark and Hive use: streams, seeks, renames, listings, recursive deletes.

import java.net.URI;
import java.util.Arrays;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.util.VersionInfo;
import software.amazon.awssdk.services.s3.S3Client;

class Day {
    public static void main(String[] arguments) throws Exception {
        System.out.println("version: " + VersionInfo.getVersion());
        String bucket = System.getenv("COMPAT_BUCKET");
        try (S3Client s3 = S3Client.builder().forcePathStyle(true).build()) {
            s3.createBucket(r -> r.bucket(bucket));
        }
        FileSystem files = FileSystem.get(URI.create("s3a://" + bucket), settings());
        byte[] small = sample(70_000);
        byte[] large = sample((17 << 20) + 3);
        Path root = new Path("s3a://" + bucket + "/warehouse");
        write(files, new Path(root, "a b+ü/small.bin"), small);
        write(files, new Path(root, "large.bin"), large); // in parts of 5 MiB
        equal(read(files, new Path(root, "a b+ü/small.bin")), small, "small");
        equal(read(files, new Path(root, "large.bin")), large, "large");
        try (FSDataInputStream in = files.open(new Path(root, "large.bin"))) {
            byte[] piece = new byte[1000];
            in.seek(9 << 20);
            in.readFully(piece);
            equal(piece, Arrays.copyOfRange(large, 9 << 20, (9 << 20) + 1000), "after a seek");
            in.readFully(10, piece);
            equal(piece, Arrays.copyOfRange(large, 10, 1010), "at a position");
        }
        check(files.getFileStatus(new Path(root, "large.bin")).getLen() == large.length, "length");
        check(files.getFileStatus(root).isDirectory(), "a prefix is a directory");
        check(files.mkdirs(new Path(root, "empty/deep")), "mkdirs");
        for (int number = 0; number < 30; number++) write(files, new Path(root, "staging/part-" + number), small);
        check(files.rename(new Path(root, "staging"), new Path(root, "final")), "rename of a directory");
        check(!files.exists(new Path(root, "staging")), "renamed away");
        FileStatus[] listed = files.listStatus(new Path(root, "final"));
        check(listed.length == 30, "renamed: " + listed.length);
        equal(read(files, new Path(root, "final/part-17")), small, "renamed");
        check(files.rename(new Path(root, "large.bin"), new Path(root, "renamed.bin")), "rename of a large file");
        equal(read(files, new Path(root, "renamed.bin")), large, "renamed large file");
        check(files.delete(root, true), "recursive delete");
        check(!files.exists(root), "deleted");
        check(files.listStatus(new Path("s3a://" + bucket + "/")).length == 0, "nothing is left");
        files.close();
    }

    static Configuration settings() {
        Configuration settings = new Configuration();
        settings.set("fs.s3a.endpoint", System.getenv("AWS_ENDPOINT_URL"));
        settings.set("fs.s3a.endpoint.region", System.getenv("AWS_REGION"));
        settings.set("fs.s3a.access.key", System.getenv("AWS_ACCESS_KEY_ID"));
        settings.set("fs.s3a.secret.key", System.getenv("AWS_SECRET_ACCESS_KEY"));
        settings.set("fs.s3a.path.style.access", "true");
        settings.set("fs.s3a.connection.ssl.enabled", "false");
        settings.set("fs.s3a.multipart.size", "5M");
        settings.set("fs.s3a.multipart.threshold", "5M");
        settings.set("fs.s3a.paging.maximum", "10");
        settings.set("fs.s3a.buffer.dir", System.getenv("COMPAT_WORK"));
        return settings;
    }

    static void write(FileSystem files, Path path, byte[] content) throws Exception {
        try (FSDataOutputStream out = files.create(path, true)) {
            out.write(content);
        }
    }

    static byte[] read(FileSystem files, Path path) throws Exception {
        try (FSDataInputStream in = files.open(path)) {
            return in.readAllBytes();
        }
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
}
