package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	kwp "github.com/tink-crypto/tink-go/v2/kwp/subtle"
)

// wrapped is key material under a wrapping public key, by crypto/rsa and by Tink's AES key wrap with padding.
func wrapped(t *testing.T, algorithm types.AlgorithmSpec, publicKey, material []byte) []byte {
	t.Helper()
	key := must(x509.ParsePKIXPublicKey(publicKey)).(*rsa.PublicKey)
	switch algorithm {
	case types.AlgorithmSpecRsaesOaepSha1:
		return must(rsa.EncryptOAEP(sha1.New(), rand.Reader, key, material, nil))
	case types.AlgorithmSpecRsaesOaepSha256:
		return must(rsa.EncryptOAEP(sha256.New(), rand.Reader, key, material, nil))
	case types.AlgorithmSpecRsaAesKeyWrapSha1, types.AlgorithmSpecRsaAesKeyWrapSha256:
		ephemeral := make([]byte, 32)
		must(rand.Read(ephemeral))
		alone := types.AlgorithmSpecRsaesOaepSha256
		if algorithm == types.AlgorithmSpecRsaAesKeyWrapSha1 {
			alone = types.AlgorithmSpecRsaesOaepSha1
		}
		return append(wrapped(t, alone, publicKey, ephemeral), must(must(kwp.NewKWP(ephemeral)).Wrap(material))...)
	}
	t.Fatalf("no code for %s", algorithm)
	return nil
}

// importedKey is a KMS key with key material of the caller's.
func importedKey(t *testing.T, client *kms.Client, input kms.CreateKeyInput, algorithm types.AlgorithmSpec, material []byte) *types.KeyMetadata {
	t.Helper()
	input.Origin = types.OriginTypeExternal
	key := createKey(t, client, input)
	equal(t, key.KeyState, types.KeyStatePendingImport)
	parameters := must(client.GetParametersForImport(background, &kms.GetParametersForImportInput{
		KeyId: key.KeyId, WrappingAlgorithm: algorithm, WrappingKeySpec: types.WrappingKeySpecRsa2048}))
	if valid := time.Until(*parameters.ParametersValidTo); valid < 23*time.Hour || valid > 25*time.Hour {
		t.Fatalf("parameters are valid for %s", valid)
	}
	must(client.ImportKeyMaterial(background, &kms.ImportKeyMaterialInput{KeyId: key.KeyId,
		ImportToken: parameters.ImportToken, EncryptedKeyMaterial: wrapped(t, algorithm, parameters.PublicKey, material),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire}))
	return inState(t, client, *key.KeyId, types.KeyStateEnabled)
}

func TestImportedMaterialIsUsedAndTakenAway(t *testing.T) {
	client := newClient()
	material := make([]byte, 32)
	must(rand.Read(material))
	for _, algorithm := range []types.AlgorithmSpec{types.AlgorithmSpecRsaesOaepSha1, types.AlgorithmSpecRsaesOaepSha256} {
		key := importedKey(t, client, kms.CreateKeyInput{}, algorithm, material)
		equal(t, key.Origin, types.OriginTypeExternal)
		equal(t, key.ExpirationModel, types.ExpirationModelTypeKeyMaterialDoesNotExpire)
		sealed := must(client.Encrypt(background, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("mine")}))
		must(client.DeleteImportedKeyMaterial(background, &kms.DeleteImportedKeyMaterialInput{KeyId: key.KeyId}))
		_, err := client.Decrypt(background, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
		refusedWith[*types.KMSInvalidStateException](t, err)
	}
}

func TestImportedPrivateKeysAreGosOwn(t *testing.T) {
	client := newClient()
	curve := must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	key := importedKey(t, client, kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP521, KeyUsage: types.KeyUsageTypeSignVerify},
		types.AlgorithmSpecRsaAesKeyWrapSha256, must(x509.MarshalPKCS8PrivateKey(curve)))
	equal(t, string(publicKeyDER(client, key.KeyId)), string(must(x509.MarshalPKIXPublicKey(curve.Public()))))

	pair := must(rsa.GenerateKey(rand.Reader, 2048))
	key = importedKey(t, client, kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt},
		types.AlgorithmSpecRsaAesKeyWrapSha1, must(x509.MarshalPKCS8PrivateKey(pair)))
	sealed := must(client.Encrypt(background, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("there"),
		EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256})).CiphertextBlob
	equal(t, string(must(rsa.DecryptOAEP(sha256.New(), nil, pair, sealed, nil))), "there")
}

func TestImportsOfAnotherKeyOrOfDamagedMaterialAreRefused(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{Origin: types.OriginTypeExternal}).KeyId
	other := createKey(t, client, kms.CreateKeyInput{Origin: types.OriginTypeExternal}).KeyId
	parameters := must(client.GetParametersForImport(background, &kms.GetParametersForImportInput{KeyId: key,
		WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa3072}))
	input := kms.ImportKeyMaterialInput{KeyId: other, ImportToken: parameters.ImportToken,
		EncryptedKeyMaterial: wrapped(t, types.AlgorithmSpecRsaesOaepSha256, parameters.PublicKey, make([]byte, 32)),
		ExpirationModel:      types.ExpirationModelTypeKeyMaterialExpires, ValidTo: aws.Time(time.Now().Add(time.Hour))}
	_, err := client.ImportKeyMaterial(background, &input)
	refusedWith[*types.InvalidImportTokenException](t, err)
	input.KeyId = key
	input.EncryptedKeyMaterial[9] ^= 1
	_, err = client.ImportKeyMaterial(background, &input)
	refusedWith[*types.InvalidCiphertextException](t, err)
	input.EncryptedKeyMaterial = wrapped(t, types.AlgorithmSpecRsaesOaepSha256, parameters.PublicKey, make([]byte, 31))
	_, err = client.ImportKeyMaterial(background, &input)
	refusedWith[*types.IncorrectKeyMaterialException](t, err)
	input.EncryptedKeyMaterial = wrapped(t, types.AlgorithmSpecRsaesOaepSha256, parameters.PublicKey, make([]byte, 32))
	must(client.ImportKeyMaterial(background, &input))
	equal(t, inState(t, client, *key, types.KeyStateEnabled).ValidTo.Unix(), input.ValidTo.Unix())
}
