package conformance

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"go.step.sm/crypto/kms/apiv1"
	"go.step.sm/crypto/kms/awskms"
)

func TestStepSignsCertificatesWithKeysThatItMade(t *testing.T) {
	manager := must(awskms.New(background, apiv1.Options{URI: "awskms:region=eu-central-1"}))
	for algorithm, certificates := range map[apiv1.SignatureAlgorithm]x509.SignatureAlgorithm{
		apiv1.ECDSAWithSHA384: x509.ECDSAWithSHA384, apiv1.SHA256WithRSAPSS: x509.SHA256WithRSAPSS, apiv1.PureEd25519: x509.PureEd25519} {
		made := must(manager.CreateKey(&apiv1.CreateKeyRequest{Name: "awskms:name=ca", SignatureAlgorithm: algorithm}))
		signer := must(manager.CreateSigner(&made.CreateSignerRequest))
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "step"}, SignatureAlgorithm: certificates,
			NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
		certificate := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, made.PublicKey, signer))))
		if err := certificate.CheckSignatureFrom(certificate); err != nil {
			t.Fatal(algorithm, err)
		}
	}
	_, err := manager.CreateSigner(&apiv1.CreateSignerRequest{SigningKey: "awskms:key-id=alias/none"})
	refusedWith[*types.NotFoundException](t, err)
}

func TestStepDecryptsWithAnRSAKey(t *testing.T) {
	manager := must(awskms.New(background, apiv1.Options{}))
	key := createKey(t, newClient(), kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt})
	decrypter := must(manager.CreateDecrypter(&apiv1.CreateDecrypterRequest{DecryptionKey: "awskms:key-id=" + *key.KeyId}))
	sealed := must(rsa.EncryptOAEP(sha256.New(), rand.Reader, decrypter.Public().(*rsa.PublicKey), []byte("SCEP"), nil))
	equal(t, string(must(decrypter.Decrypt(nil, sealed, &rsa.OAEPOptions{Hash: crypto.SHA256}))), "SCEP")
}
