package conformance

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
)

// publicOf is the public half of a private key of Go's own.
func publicOf(t *testing.T, private any) crypto.PublicKey {
	t.Helper()
	return private.(interface{ Public() crypto.PublicKey }).Public()
}

func publicKeyDER(client *kms.Client, keyID *string) []byte {
	return must(client.GetPublicKey(background, &kms.GetPublicKeyInput{KeyId: keyID})).PublicKey
}

// rawPublicKey is the key within SubjectPublicKeyInfo, of algorithms that crypto/x509 does not know.
func rawPublicKey(t *testing.T, der []byte) []byte {
	t.Helper()
	var info struct {
		Algorithm struct{ OID asn1.ObjectIdentifier }
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) != 0 {
		t.Fatal(err, rest)
	}
	return info.Key.Bytes
}

type signer struct {
	*testing.T
	*kms.Client
	keyID     *string
	algorithm types.SigningAlgorithmSpec
}

func newSigner(t *testing.T, client *kms.Client, spec types.KeySpec, algorithm types.SigningAlgorithmSpec) signer {
	key := createKey(t, client, kms.CreateKeyInput{KeySpec: spec, KeyUsage: types.KeyUsageTypeSignVerify})
	return signer{t, client, key.KeyId, algorithm}
}

// sign is the signature, which the server has verified and has not found to be another message's.
func (of signer) sign(message []byte, kind types.MessageType) []byte {
	of.Helper()
	made := must(of.Sign(background, &kms.SignInput{
		KeyId: of.keyID, Message: message, MessageType: kind, SigningAlgorithm: of.algorithm}))
	input := kms.VerifyInput{KeyId: of.keyID, Message: message, MessageType: kind, Signature: made.Signature,
		SigningAlgorithm: of.algorithm}
	if !must(of.Verify(background, &input)).SignatureValid {
		of.Fatal("SignatureValid is false")
	}
	input.Message = append([]byte{message[0] ^ 1}, message[1:]...)
	_, err := of.Verify(background, &input)
	refusedWith[*types.KMSInvalidSignatureException](of.T, err)
	return made.Signature
}

func TestSignaturesVerifyInGo(t *testing.T) {
	client := newClient()
	message := []byte("signed for Go")
	digest := sha256.Sum256(message)
	wide := sha512.Sum512(message)

	curve := newSigner(t, client, types.KeySpecEccNistP256, types.SigningAlgorithmSpecEcdsaSha256)
	p256 := must(x509.ParsePKIXPublicKey(publicKeyDER(client, curve.keyID))).(*ecdsa.PublicKey)
	for _, signature := range [][]byte{curve.sign(message, types.MessageTypeRaw), curve.sign(digest[:], types.MessageTypeDigest)} {
		if !ecdsa.VerifyASN1(p256, digest[:], signature) {
			t.Fatal("crypto/ecdsa refuses the signature")
		}
	}

	pss := newSigner(t, client, types.KeySpecRsa2048, types.SigningAlgorithmSpecRsassaPssSha512)
	modulus := must(x509.ParsePKIXPublicKey(publicKeyDER(client, pss.keyID))).(*rsa.PublicKey)
	if err := rsa.VerifyPSS(modulus, crypto.SHA512, wide[:], pss.sign(message, types.MessageTypeRaw),
		&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}); err != nil {
		t.Fatal(err)
	}
	pkcs := pss
	pkcs.algorithm = types.SigningAlgorithmSpecRsassaPkcs1V15Sha256
	if err := rsa.VerifyPKCS1v15(modulus, crypto.SHA256, digest[:], pkcs.sign(digest[:], types.MessageTypeDigest)); err != nil {
		t.Fatal(err)
	}

	edwards := newSigner(t, client, types.KeySpecEccNistEdwards25519, types.SigningAlgorithmSpecEd25519Sha512)
	point := must(x509.ParsePKIXPublicKey(publicKeyDER(client, edwards.keyID))).(ed25519.PublicKey)
	if !ed25519.Verify(point, message, edwards.sign(message, types.MessageTypeRaw)) {
		t.Fatal("crypto/ed25519 refuses the signature")
	}
	prehashed := edwards
	prehashed.algorithm = types.SigningAlgorithmSpecEd25519PhSha512
	// KMS hashes the digest that it is given once more (Sign in the API reference, MessageType).
	twice := sha512.Sum512(wide[:])
	if err := ed25519.VerifyWithOptions(point, twice[:], prehashed.sign(wide[:], types.MessageTypeDigest),
		&ed25519.Options{Hash: crypto.SHA512}); err != nil {
		t.Fatal(err)
	}

	lattice := newSigner(t, client, types.KeySpecMlDsa65, types.SigningAlgorithmSpecMlDsaShake256)
	var verifying mldsa65.PublicKey
	if err := verifying.UnmarshalBinary(rawPublicKey(t, publicKeyDER(client, lattice.keyID))); err != nil {
		t.Fatal(err)
	}
	if !mldsa65.Verify(&verifying, message, nil, lattice.sign(message, types.MessageTypeRaw)) {
		t.Fatal("circl refuses the ML-DSA signature")
	}
}

func TestRSAEncryptsInGoAndDecryptsInTheServer(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt}).KeyId
	public := must(x509.ParsePKIXPublicKey(publicKeyDER(client, key))).(*rsa.PublicKey)
	sealed := must(rsa.EncryptOAEP(sha256.New(), rand.Reader, public, []byte("offline"), nil))
	input := kms.DecryptInput{KeyId: key, CiphertextBlob: sealed, EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256}
	equal(t, string(must(client.Decrypt(background, &input)).Plaintext), "offline")
	input.EncryptionAlgorithm = types.EncryptionAlgorithmSpecRsaesOaepSha1
	_, err := client.Decrypt(background, &input)
	refusedWith[*types.InvalidCiphertextException](t, err)
	_, err = client.Sign(background, &kms.SignInput{KeyId: key, Message: []byte("x"),
		SigningAlgorithm: types.SigningAlgorithmSpecRsassaPssSha256})
	refusedWith[*types.InvalidKeyUsageException](t, err)
}

func TestSharedSecretsAreThoseOfGo(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP384, KeyUsage: types.KeyUsageTypeKeyAgreement}).KeyId
	ours := must(ecdh.P384().GenerateKey(rand.Reader))
	theirs := must(must(x509.ParsePKIXPublicKey(publicKeyDER(client, key))).(*ecdsa.PublicKey).ECDH())
	derived := must(client.DeriveSharedSecret(background, &kms.DeriveSharedSecretInput{KeyId: key,
		KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: must(x509.MarshalPKIXPublicKey(ours.PublicKey()))}))
	equal(t, string(derived.SharedSecret), string(must(ours.ECDH(theirs))))

	key = createKey(t, client, kms.CreateKeyInput{KeySpec: types.KeySpecMlKem768,
		KeyUsage: types.KeyUsageTypeEncapsulateDecapsulate}).KeyId
	encapsulation := must(mlkem.NewEncapsulationKey768(rawPublicKey(t, publicKeyDER(client, key))))
	secret, ciphertext := encapsulation.Encapsulate()
	opened := must(client.Decapsulate(background, &kms.DecapsulateInput{KeyId: key, SharedSecretCiphertextBlob: ciphertext,
		EncapsulationAlgorithm: types.EncapsulationAlgorithmSpecMlKem}))
	equal(t, string(opened.SharedSecret), string(secret))
}

func TestMACsVerify(t *testing.T) {
	client := newClient()
	message, material := []byte("message"), make([]byte, 32)
	must(rand.Read(material))
	key := importedKey(t, client, kms.CreateKeyInput{KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac},
		types.AlgorithmSpecRsaesOaepSha256, material).KeyId
	made := must(client.GenerateMac(background, &kms.GenerateMacInput{KeyId: key, Message: message,
		MacAlgorithm: types.MacAlgorithmSpecHmacSha256})).Mac
	here := hmac.New(sha256.New, material)
	here.Write(message)
	equal(t, string(made), string(here.Sum(nil)))
	input := kms.VerifyMacInput{KeyId: key, Message: message, Mac: made, MacAlgorithm: types.MacAlgorithmSpecHmacSha256}
	equal(t, must(client.VerifyMac(background, &input)).MacValid, true)
	input.Message = []byte("massage")
	_, err := client.VerifyMac(background, &input)
	refusedWith[*types.KMSInvalidMacException](t, err)
}
