// Package conformance walks Go clients of AWS KMS through a server. tests/conformance/test_go_sdk.py runs its tests.
package conformance

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

var background = context.Background()

// must is the value of a call that has to succeed.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// settings are those of the environment: Region, credentials, AWS_ENDPOINT_URL_KMS.
func settings() aws.Config {
	return must(config.LoadDefaultConfig(background))
}

func newClient(options ...func(*kms.Options)) *kms.Client {
	return kms.NewFromConfig(settings(), options...)
}

// inRegion is a client of another Region, with the endpoint set in the program.
func inRegion(region string) *kms.Client {
	return newClient(func(options *kms.Options) {
		options.Region = region
		options.BaseEndpoint = aws.String(os.Getenv("AWS_ENDPOINT_URL_KMS"))
	})
}

// asUser is a client of the user whose access key the test was given.
func asUser() *kms.Client {
	return newClient(func(options *kms.Options) {
		options.Credentials = credentials.NewStaticCredentialsProvider(
			os.Getenv("USER_ACCESS_KEY_ID"), os.Getenv("USER_SECRET_ACCESS_KEY"), "")
	})
}

func createKey(t *testing.T, client *kms.Client, input kms.CreateKeyInput) *types.KeyMetadata {
	t.Helper()
	made, err := client.CreateKey(background, &input)
	if err != nil {
		t.Fatal(err)
	}
	return made.KeyMetadata
}

// refusedWith fails unless the error is of the type E, and returns it.
func refusedWith[E error](t *testing.T, err error) E {
	t.Helper()
	var wanted E
	if !errors.As(err, &wanted) {
		t.Fatalf("got %T (%v), not %T", err, err, wanted)
	}
	return wanted
}

func equal[T comparable](t *testing.T, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Fatalf("got %v, not %v", got, wanted)
	}
}

// inState waits until the key exists in this client's Region and is in the state.
func inState(t *testing.T, client *kms.Client, keyID string, state types.KeyState) *types.KeyMetadata {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		found := must(client.DescribeKey(background, &kms.DescribeKeyInput{KeyId: &keyID})).KeyMetadata
		if found.KeyState == state {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %s, not %s", keyID, found.KeyState, state)
		}
	}
}
