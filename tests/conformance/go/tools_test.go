package conformance

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	"github.com/hashicorp/go-kms-wrapping/wrappers/awskms/v2"
	sigstore "github.com/sigstore/sigstore/pkg/signature/kms/aws"
	"github.com/sigstore/sigstore/pkg/signature/options"
	tink "github.com/tink-crypto/tink-go-awskms/v3/integration/awskms"
	"github.com/tink-crypto/tink-go/v2/aead"
	"google.golang.org/protobuf/proto"
)

// seal is what Vault and Boundary make of a stanza `seal "awskms"`.
func seal(stanza map[string]string) (*awskms.Wrapper, error) {
	wrapper := awskms.NewWrapper()
	_, err := wrapper.SetConfig(background, wrapping.WithConfigMap(stanza))
	return wrapper, err
}

func TestSealOfVaultAndBoundary(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{})
	stanza := map[string]string{
		"region": os.Getenv("AWS_REGION"), "endpoint": os.Getenv("AWS_ENDPOINT_URL_KMS"), "kms_key_id": *key.KeyId,
		"access_key": os.Getenv("AWS_ACCESS_KEY_ID"), "secret_key": os.Getenv("AWS_SECRET_ACCESS_KEY")}
	sealing := must(seal(stanza))
	equal(t, must(sealing.KeyId(background)), *key.KeyId)
	sealed := must(sealing.Encrypt(background, []byte("the root key of a vault"), wrapping.WithAad([]byte("path"))))
	equal(t, sealed.KeyInfo.KeyId, *key.Arn)

	// A later start reads what an earlier one stored, and finds the server by the environment.
	t.Setenv("AWS_KMS_ENDPOINT", stanza["endpoint"])
	delete(stanza, "endpoint")
	later := must(seal(stanza))
	var stored wrapping.BlobInfo
	if err := proto.Unmarshal(must(proto.Marshal(sealed)), &stored); err != nil {
		t.Fatal(err)
	}
	equal(t, string(must(later.Decrypt(background, &stored, wrapping.WithAad([]byte("path"))))), "the root key of a vault")
	if _, err := later.Decrypt(background, &stored, wrapping.WithAad([]byte("elsewhere"))); err == nil {
		t.Fatal("opened with other additional data")
	}

	must(client.DisableKey(background, &kms.DisableKeyInput{KeyId: key.KeyId}))
	if _, err := later.Decrypt(background, &stored); err == nil || !strings.Contains(err.Error(), "DisabledException") {
		t.Fatal(err)
	}
	stanza["kms_key_id"] = "alias/none"
	if _, err := seal(stanza); err == nil || !strings.Contains(err.Error(), "NotFoundException") {
		t.Fatal(err)
	}
}

type equals interface{ Equal(crypto.PublicKey) bool }

// What `cosign generate-key-pair --kms awskms:///alias/...`, `sign` and `verify` do.
func TestSigstoreMakesItsKeySignsAndVerifies(t *testing.T) {
	message := "sha256:9f86d081884c7d659a2feaa0c55ad015"
	for _, spec := range []types.CustomerMasterKeySpec{
		types.CustomerMasterKeySpecEccNistP256, types.CustomerMasterKeySpecEccNistP384, types.CustomerMasterKeySpecRsa2048} {
		reference := "awskms:///alias/cosign-" + strings.ToLower(string(spec)) + rand.Text()
		signer := must(sigstore.LoadSignerVerifier(background, reference))
		public := must(signer.CreateKey(background, string(spec)))
		signature := must(signer.SignMessage(strings.NewReader(message)))
		fresh := must(sigstore.LoadSignerVerifier(background, reference))
		// The same key where the URI names the host.
		named := strings.Replace(reference, "///", "//"+strings.TrimPrefix(os.Getenv("AWS_ENDPOINT_URL_KMS"), "https://")+"/", 1)
		if !must(must(sigstore.LoadSignerVerifier(background, named)).PublicKey()).(equals).Equal(public) {
			t.Fatal("another key by ", named)
		}
		for _, remotely := range []bool{false, true} {
			option := options.WithRemoteVerification(remotely)
			if err := fresh.VerifySignature(bytes.NewReader(signature), strings.NewReader(message), option); err != nil {
				t.Fatal(spec, remotely, err)
			}
			if err := fresh.VerifySignature(bytes.NewReader(signature), strings.NewReader(message+"0"), option); err == nil {
				t.Fatal(spec, remotely, "another message verifies")
			}
		}

		// A certificate that the key signs itself: its crypto.Signer within crypto/x509.
		standard, _, err := fresh.CryptoSigner(background, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "strongroom"},
			NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
		made := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, standard.Public(), standard))))
		if err := made.CheckSignatureFrom(made); err != nil {
			t.Fatal(spec, err)
		}
		if !made.PublicKey.(equals).Equal(public) {
			t.Fatal("the certificate is of another key")
		}
	}
}

func TestTinkSealsRemotelyAndInAnEnvelope(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{}).Arn
	uri := "aws-kms://" + *key
	remote := must(must(tink.NewClientWithOptions(background, uri)).GetAEAD(uri))
	sealed := must(remote.Encrypt([]byte("to be sealed"), []byte("tenant 7")))
	equal(t, string(must(remote.Decrypt(sealed, []byte("tenant 7")))), "to be sealed")
	_, err := remote.Decrypt(sealed, []byte("tenant 8"))
	refusedWith[*types.InvalidCiphertextException](t, err)
	opened := must(client.Decrypt(background, &kms.DecryptInput{KeyId: key, CiphertextBlob: sealed,
		EncryptionContext: map[string]string{"associatedData": "74656e616e742037"}}))
	equal(t, string(opened.Plaintext), "to be sealed")

	envelope := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), remote)
	plaintext := bytes.Repeat([]byte("envelope "), 5000)
	sealed = must(envelope.Encrypt(plaintext, []byte("file 1")))
	equal(t, string(must(envelope.Decrypt(sealed, []byte("file 1")))), string(plaintext))
	must(client.DisableKey(background, &kms.DisableKeyInput{KeyId: aws.String(*key)}))
	_, err = envelope.Decrypt(sealed, []byte("file 1"))
	refusedWith[*types.DisabledException](t, err)
}
