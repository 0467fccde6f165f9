package conformance

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

func TestEncryptionContextBindsAndErrorsHaveTheirTypes(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{Description: aws.String("made by Go")})
	equal(t, key.KeyState, types.KeyStateEnabled)
	equal(t, *key.Description, "made by Go")
	context := map[string]string{"tenant": "blau", "größe": "<&>"}
	sealed := must(client.Encrypt(background, &kms.EncryptInput{
		KeyId: key.KeyId, Plaintext: []byte("hello"), EncryptionContext: context}))
	opened := must(client.Decrypt(background, &kms.DecryptInput{
		CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: context}))
	equal(t, string(opened.Plaintext), "hello")
	equal(t, *opened.KeyId, *key.Arn)
	equal(t, opened.EncryptionAlgorithm, types.EncryptionAlgorithmSpecSymmetricDefault)
	if id, known := awsmiddleware.GetRequestIDMetadata(opened.ResultMetadata); !known || len(id) != 36 {
		t.Fatalf("request id %q", id)
	}

	_, err := client.Decrypt(background, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	refusedWith[*types.InvalidCiphertextException](t, err)
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() != 400 || len(answer.ServiceRequestID()) != 36 {
		t.Fatalf("not an answer of HTTP 400 with a request id: %v", err)
	}

	_, err = client.DescribeKey(background, &kms.DescribeKeyInput{KeyId: aws.String("alias/none")})
	if said := refusedWith[*types.NotFoundException](t, err); !strings.Contains(said.ErrorMessage(), "alias/none") {
		t.Fatal(said)
	}
	_, err = client.Encrypt(background, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x"), DryRun: aws.Bool(true)})
	refusedWith[*types.DryRunOperationException](t, err)
	_, err = client.Encrypt(background, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: make([]byte, 4097)})
	equal(t, refusedWith[smithy.APIError](t, err).ErrorCode(), "ValidationException")
	must(client.DisableKey(background, &kms.DisableKeyInput{KeyId: key.KeyId}))
	_, err = client.Encrypt(background, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("x")})
	refusedWith[*types.DisabledException](t, err)
	must(client.ScheduleKeyDeletion(background, &kms.ScheduleKeyDeletionInput{KeyId: key.KeyId}))
	_, err = client.Decrypt(background, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: context})
	refusedWith[*types.KMSInvalidStateException](t, err)

	_, err = asUser().DescribeKey(background, &kms.DescribeKeyInput{KeyId: key.KeyId})
	equal(t, refusedWith[smithy.APIError](t, err).ErrorCode(), "AccessDeniedException")
}

func TestCiphertextMovesToAnotherKey(t *testing.T) {
	client := newClient()
	from, to := createKey(t, client, kms.CreateKeyInput{}), createKey(t, client, kms.CreateKeyInput{})
	sealed := must(client.Encrypt(background, &kms.EncryptInput{KeyId: from.KeyId, Plaintext: []byte("moves")}))
	moved := must(client.ReEncrypt(background, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob,
		DestinationKeyId: to.Arn, DestinationEncryptionContext: map[string]string{"now": "here"}}))
	equal(t, *moved.SourceKeyId, *from.Arn)
	opened := must(client.Decrypt(background, &kms.DecryptInput{KeyId: to.KeyId, CiphertextBlob: moved.CiphertextBlob,
		EncryptionContext: map[string]string{"now": "here"}}))
	equal(t, string(opened.Plaintext), "moves")
	_, err := client.Decrypt(background, &kms.DecryptInput{KeyId: from.KeyId, CiphertextBlob: moved.CiphertextBlob})
	refusedWith[*types.IncorrectKeyException](t, err)
}

func TestDataKeysAndPairsOpenToWhatTheyWere(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{}).Arn
	opened := func(blob []byte) []byte {
		return must(client.Decrypt(background, &kms.DecryptInput{CiphertextBlob: blob})).Plaintext
	}
	made := must(client.GenerateDataKey(background, &kms.GenerateDataKeyInput{KeyId: key, KeySpec: types.DataKeySpecAes256}))
	equal(t, len(made.Plaintext), 32)
	equal(t, string(opened(made.CiphertextBlob)), string(made.Plaintext))
	odd := must(client.GenerateDataKey(background, &kms.GenerateDataKeyInput{KeyId: key, NumberOfBytes: aws.Int32(37)}))
	equal(t, len(opened(odd.CiphertextBlob)), 37)
	unseen := must(client.GenerateDataKeyWithoutPlaintext(background,
		&kms.GenerateDataKeyWithoutPlaintextInput{KeyId: key, KeySpec: types.DataKeySpecAes128}))
	equal(t, len(opened(unseen.CiphertextBlob)), 16)
	equal(t, len(must(client.GenerateRandom(background, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(99)})).Plaintext), 99)

	for _, spec := range []types.DataKeyPairSpec{types.DataKeyPairSpecRsa2048, types.DataKeyPairSpecEccNistP384} {
		pair := must(client.GenerateDataKeyPair(background, &kms.GenerateDataKeyPairInput{KeyId: key, KeyPairSpec: spec}))
		private := opened(pair.PrivateKeyCiphertextBlob)
		equal(t, string(private), string(pair.PrivateKeyPlaintext))
		equal(t, string(must(x509.MarshalPKIXPublicKey(publicOf(t, must(x509.ParsePKCS8PrivateKey(private)))))), string(pair.PublicKey))
	}
	hidden := must(client.GenerateDataKeyPairWithoutPlaintext(background, &kms.GenerateDataKeyPairWithoutPlaintextInput{
		KeyId: key, KeyPairSpec: types.DataKeyPairSpecEccNistEdwards25519}))
	private := must(x509.ParsePKCS8PrivateKey(opened(hidden.PrivateKeyCiphertextBlob)))
	if !bytes.Equal(must(x509.MarshalPKIXPublicKey(publicOf(t, private))), hidden.PublicKey) {
		t.Fatal("the private key is another's")
	}
}
