// AWS SDK for Go v2: objects, the transfer manager's upload and download, presigned URLs, paging, conditions.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/http"
	"os"
	"runtime/debug"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	transfers "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

var (
	ctx    = context.Background()
	bucket = aws.String(os.Getenv("COMPAT_BUCKET"))
	client *s3.Client
)

func main() {
	log.SetFlags(log.Lshortfile)
	fmt.Println("version:", moduleVersion("github.com/aws/aws-sdk-go-v2/service/s3"))
	settings, err := config.LoadDefaultConfig(ctx)
	must(err)
	client = s3.NewFromConfig(settings, func(o *s3.Options) { o.UsePathStyle = true })
	_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	must(err)
	files := map[string][]byte{"readme.txt": sample(1200), "empty": {}, "ü/日本 語+%20.bin": sample(70_000)}
	for key, content := range files {
		put(key, content)
		equal(read(key, ""), content, key)
	}
	equal(read("readme.txt", "bytes=10-19"), files["readme.txt"][10:20], "range")
	transfer()
	presigned()
	put("once", []byte("1"))
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("once"), Body: strings.NewReader("2"), IfNoneMatch: aws.String("*")})
	refused(err, "PreconditionFailed")
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("none")})
	refused(err, "NoSuchKey")
	empty(len(files) + 4)
	_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	must(err)
	_, err = client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket})
	refused(err, "NotFound")
}

// The transfer manager sends a reader that can't seek in parts, and reads parts or ranges at once.
func transfer() {
	content := sample(17<<20 + 3)
	uploads := transfermanager.New(client, func(o *transfermanager.Options) { o.MultipartUploadThreshold = 8 << 20 })
	upload := &transfermanager.UploadObjectInput{Bucket: bucket, Key: aws.String("large"), Body: io.MultiReader(bytes.NewReader(content))}
	_, err := uploads.UploadObject(ctx, upload)
	must(err)
	back := transfers.NewWriteAtBuffer(nil)
	_, err = uploads.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: bucket, Key: aws.String("large"), WriterAt: back})
	must(err)
	equal(back.Bytes(), content, "downloaded")
	_, err = client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copied"), CopySource: aws.String(*bucket + "/large")})
	must(err)
	equal(read("copied", ""), content, "copied")
}

func presigned() {
	signer := s3.NewPresignClient(client)
	put, err := signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("pre signed")})
	must(err)
	request, err := http.NewRequest("PUT", put.URL, strings.NewReader("presigned"))
	must(err)
	answer, err := http.DefaultClient.Do(request)
	must(err)
	equal([]byte(answer.Status), []byte("200 OK"), "presigned PUT")
	get, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("pre signed")})
	must(err)
	answer, err = http.Get(get.URL)
	must(err)
	body, err := io.ReadAll(answer.Body)
	must(err)
	equal(body, []byte("presigned"), "presigned GET")
}

func empty(expected int) {
	var found []types.ObjectIdentifier
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		must(err)
		for _, row := range page.Contents {
			found = append(found, types.ObjectIdentifier{Key: row.Key})
		}
	}
	if len(found) != expected {
		log.Fatalf("%d objects listed, expected %d", len(found), expected)
	}
	_, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: found}})
	must(err)
}

func put(key string, content []byte) {
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(content), Metadata: map[string]string{"origin": "go"}})
	must(err)
}

func read(key, span string) []byte {
	input := &s3.GetObjectInput{Bucket: bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled}
	if span != "" {
		input.Range = &span
	}
	answer, err := client.GetObject(ctx, input)
	must(err)
	content, err := io.ReadAll(answer.Body)
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

func refused(err error, code string) {
	var answer smithy.APIError
	if !errors.As(err, &answer) || answer.ErrorCode() != code {
		log.Fatalf("expected %s, got %v", code, err)
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
