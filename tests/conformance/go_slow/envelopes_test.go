package conformance

import (
	"bytes"
	"encoding/pem"
	"errors"
	"net/url"
	"testing"

	materials "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygenerated"
	mpl "github.com/aws/aws-cryptographic-material-providers-library/releases/go/mpl/awscryptographymaterialproviderssmithygeneratedtypes"
	primitives "github.com/aws/aws-cryptographic-material-providers-library/releases/go/primitives/awscryptographyprimitivessmithygeneratedtypes"
	encryption "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygenerated"
	esdk "github.com/aws/aws-encryption-sdk/releases/go/encryption-sdk/awscryptographyencryptionsdksmithygeneratedtypes"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"gocloud.dev/gcerrors"
	"gocloud.dev/secrets"
	_ "gocloud.dev/secrets/awskms"
)

var plaintext = bytes.Repeat([]byte("envelope "), 5000)

// travels seals a message under one keyring of the AWS Encryption SDK and opens it with another.
func travels(t *testing.T, sealing, opening mpl.IKeyring) (message []byte) {
	t.Helper()
	client := must(encryption.NewClient(esdk.AwsEncryptionSdkConfig{}))
	context := map[string]string{"tenant": "blau"}
	sealed := must(client.Encrypt(background, esdk.EncryptInput{Plaintext: plaintext, EncryptionContext: context, Keyring: sealing}))
	opened := must(client.Decrypt(background, esdk.DecryptInput{Ciphertext: sealed.Ciphertext, EncryptionContext: context, Keyring: opening}))
	equal(t, string(opened.Plaintext), string(plaintext))
	_, err := client.Decrypt(background, esdk.DecryptInput{Ciphertext: sealed.Ciphertext,
		EncryptionContext: map[string]string{"tenant": "rot"}, Keyring: opening})
	if err == nil {
		t.Fatal("opened with another encryption context")
	}
	return sealed.Ciphertext
}

func providers() *materials.Client {
	return must(materials.NewClient(mpl.MaterialProvidersConfig{}))
}

func TestEncryptionSDKUnderASymmetricKey(t *testing.T) {
	client := newClient()
	key, other := createKey(t, client, kms.CreateKeyInput{}), createKey(t, client, kms.CreateKeyInput{})
	strict := func(arn *string) mpl.IKeyring {
		return must(providers().CreateAwsKmsKeyring(background, mpl.CreateAwsKmsKeyringInput{KmsClient: client, KmsKeyId: *arn}))
	}
	travels(t, strict(key.Arn), strict(key.Arn))
	travels(t, strict(key.Arn), must(providers().CreateAwsKmsDiscoveryKeyring(background, mpl.CreateAwsKmsDiscoveryKeyringInput{
		KmsClient: client, DiscoveryFilter: &mpl.DiscoveryFilter{AccountIds: []string{*key.AWSAccountId}, Partition: "aws"}})))

	// A generator and a second key: either opens the message.
	multi := must(providers().CreateAwsKmsMultiKeyring(background, mpl.CreateAwsKmsMultiKeyringInput{
		Generator: key.Arn, KmsKeyIds: []string{*other.Arn}}))
	message := travels(t, multi, strict(other.Arn))
	must(client.DisableKey(background, &kms.DisableKeyInput{KeyId: key.KeyId}))
	_, err := must(encryption.NewClient(esdk.AwsEncryptionSdkConfig{})).Decrypt(background,
		esdk.DecryptInput{Ciphertext: message, Keyring: strict(key.Arn)})
	var disabled *types.DisabledException
	if err == nil || errors.As(err, &disabled) {
		t.Fatal("a disabled key opened the message, or the SDK told why: ", err)
	}
}

func TestEncryptionSDKUnderAMultiRegionKey(t *testing.T) {
	here, there := newClient(), inRegion("us-east-2")
	key := createKey(t, here, kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	must(here.ReplicateKey(background, &kms.ReplicateKeyInput{KeyId: key.KeyId, ReplicaRegion: aws.String("us-east-2")}))
	inState(t, there, *key.KeyId, types.KeyStateEnabled)
	travels(t,
		must(providers().CreateAwsKmsMrkKeyring(background, mpl.CreateAwsKmsMrkKeyringInput{KmsClient: here, KmsKeyId: *key.Arn})),
		must(providers().CreateAwsKmsMrkDiscoveryKeyring(background, mpl.CreateAwsKmsMrkDiscoveryKeyringInput{
			KmsClient: there, Region: "us-east-2"})))
}

func TestEncryptionSDKUnderAnRSAKey(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt})
	public := must(client.GetPublicKey(background, &kms.GetPublicKeyInput{KeyId: key.KeyId})).PublicKey
	keyring := must(providers().CreateAwsKmsRsaKeyring(background, mpl.CreateAwsKmsRsaKeyringInput{KmsClient: client, KmsKeyId: *key.Arn,
		PublicKey:           pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256}))
	client2 := must(encryption.NewClient(esdk.AwsEncryptionSdkConfig{}))
	// Such a keyring cannot go with a suite that signs.
	suite := mpl.ESDKAlgorithmSuiteIdAlgAes256GcmHkdfSha512CommitKey
	sealed := must(client2.Encrypt(background, esdk.EncryptInput{Plaintext: plaintext, Keyring: keyring, AlgorithmSuiteId: &suite}))
	opened := must(client2.Decrypt(background, esdk.DecryptInput{Ciphertext: sealed.Ciphertext, Keyring: keyring}))
	equal(t, string(opened.Plaintext), string(plaintext))
}

func TestEncryptionSDKUnderASharedSecret(t *testing.T) {
	client := newClient()
	pair := kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeKeyAgreement}
	sender, recipient := createKey(t, client, pair), createKey(t, client, pair)
	public := must(client.GetPublicKey(background, &kms.GetPublicKeyInput{KeyId: recipient.KeyId})).PublicKey
	keyring := func(scheme mpl.KmsEcdhStaticConfigurations) mpl.IKeyring {
		return must(providers().CreateAwsKmsEcdhKeyring(background, mpl.CreateAwsKmsEcdhKeyringInput{
			KmsClient: client, CurveSpec: primitives.ECDHCurveSpecEccNistP256, KeyAgreementScheme: scheme}))
	}
	travels(t,
		keyring(&mpl.KmsEcdhStaticConfigurationsMemberKmsPrivateKeyToStaticPublicKey{Value: mpl.KmsPrivateKeyToStaticPublicKeyInput{
			SenderKmsIdentifier: *sender.Arn, RecipientPublicKey: public}}),
		keyring(&mpl.KmsEcdhStaticConfigurationsMemberKmsPublicKeyDiscovery{Value: mpl.KmsPublicKeyDiscoveryInput{
			RecipientKmsIdentifier: *recipient.Arn}}))
}

func TestGoCloudSecretsKeeper(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{})
	open := func(tenant string) *secrets.Keeper {
		return must(secrets.OpenKeeper(background, "awskms:///"+*key.Arn+"?context_tenant="+url.QueryEscape(tenant)))
	}
	keeper := open("blau & rot")
	defer keeper.Close()
	sealed := must(keeper.Encrypt(background, []byte("kept")))
	equal(t, string(must(keeper.Decrypt(background, sealed))), "kept")
	_, err := open("rot").Decrypt(background, sealed)
	equal(t, gcerrors.Code(err), gcerrors.InvalidArgument)
	must(client.DisableKey(background, &kms.DisableKeyInput{KeyId: key.KeyId}))
	_, err = keeper.Encrypt(background, []byte("kept"))
	equal(t, gcerrors.Code(err), gcerrors.PermissionDenied)
	_, err = must(secrets.OpenKeeper(background, "awskms:///alias/none")).Encrypt(background, []byte("kept"))
	equal(t, gcerrors.Code(err), gcerrors.NotFound)
}
