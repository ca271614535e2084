// minio-go: objects, streams of unknown length, presigned URLs, composed objects, listing, bulk removal.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

var (
	ctx    = context.Background()
	bucket = os.Getenv("COMPAT_BUCKET")
	client *minio.Client
)

func main() {
	log.SetFlags(log.Lshortfile)
	fmt.Println("version:", moduleVersion("github.com/minio/minio-go/v7"))
	host := strings.TrimPrefix(os.Getenv("AWS_ENDPOINT_URL"), "http://")
	var err error
	client, err = minio.New(host, &minio.Options{Creds: credentials.NewEnvAWS(), Region: os.Getenv("AWS_REGION")})
	must(err)
	must(client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}))
	files := map[string][]byte{"readme.txt": sample(1200), "empty": {}, "ü/日本 語+%20.bin": sample(70_000), "large": sample(17<<20 + 3)}
	for key, content := range files {
		size := int64(len(content))
		if key == "large" {
			size = -1 // length unknown: parts
		}
		options := minio.PutObjectOptions{UserMetadata: map[string]string{"Origin": "go"}, PartSize: 5 << 20}
		_, err := client.PutObject(ctx, bucket, key, bytes.NewReader(content), size, options)
		must(err)
		equal(read(key), content, key)
	}
	object, err := client.GetObject(ctx, bucket, "large", minio.GetObjectOptions{})
	must(err)
	piece := make([]byte, 1000)
	_, err = object.ReadAt(piece, 6<<20)
	must(err)
	equal(piece, files["large"][6<<20:6<<20+1000], "read at")
	information, err := client.StatObject(ctx, bucket, "readme.txt", minio.StatObjectOptions{})
	must(err)
	equal([]byte(information.UserMetadata["Origin"]), []byte("go"), "metadata")

	sources := []minio.CopySrcOptions{{Bucket: bucket, Object: "large"}, {Bucket: bucket, Object: "readme.txt"}}
	_, err = client.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "composed"}, sources...)
	must(err)
	equal(read("composed"), append(append([]byte{}, files["large"]...), files["readme.txt"]...), "composed of two")
	presigned()
	_, err = client.StatObject(ctx, bucket, "none", minio.StatObjectOptions{})
	if minio.ToErrorResponse(err).Code != "NoSuchKey" {
		log.Fatalf("expected NoSuchKey, got %v", err)
	}

	var count int
	rows := make(chan minio.ObjectInfo)
	go func() {
		defer close(rows)
		for row := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true, MaxKeys: 2}) {
			must(row.Err)
			count++
			rows <- row
		}
	}()
	for failure := range client.RemoveObjects(ctx, bucket, rows, minio.RemoveObjectsOptions{}) {
		log.Fatal(failure.Err)
	}
	if count != len(files)+2 {
		log.Fatalf("%d objects listed", count)
	}
	must(client.RemoveBucket(ctx, bucket))
	exists, err := client.BucketExists(ctx, bucket)
	must(err)
	if exists {
		log.Fatal("the bucket is still there")
	}
}

func presigned() {
	put, err := client.PresignedPutObject(ctx, bucket, "pre signed", time.Minute)
	must(err)
	request, err := http.NewRequest("PUT", put.String(), strings.NewReader("presigned"))
	must(err)
	answer, err := http.DefaultClient.Do(request)
	must(err)
	equal([]byte(answer.Status), []byte("200 OK"), "presigned PUT")
	get, err := client.PresignedGetObject(ctx, bucket, "pre signed", time.Minute, nil)
	must(err)
	answer, err = http.Get(get.String())
	must(err)
	body, err := io.ReadAll(answer.Body)
	must(err)
	equal(body, []byte("presigned"), "presigned GET")
}

func read(key string) []byte {
	object, err := client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	must(err)
	content, err := io.ReadAll(object)
	must(err)
	return content
}

func sample(size int) []byte {
	content := make([]byte, size)
	rand.Read(content)
	return content
}

func must(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}

func equal(actual, expected []byte, what string) {
	if !bytes.Equal(actual, expected) {
		log.Fatalf("%s: %d bytes differ from the %d expected", what, len(actual), len(expected))
	}
}

func moduleVersion(path string) string {
	information, _ := debug.ReadBuildInfo()
	for _, module := range information.Deps {
		if module.Path == path {
			return module.Version
		}
	}
	return "?"
}
