package conformance

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

func TestKeyLivesChangesAndIsScheduledForDeletion(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String("team"), TagValue: aws.String("blau")}}})
	if age := time.Since(*key.CreationDate); age < -time.Minute || age > time.Minute {
		t.Fatalf("created %s ago", age)
	}
	equal(t, *key.AWSAccountId, os.Getenv("ACCOUNT"))
	must(client.UpdateKeyDescription(background, &kms.UpdateKeyDescriptionInput{KeyId: key.KeyId, Description: aws.String("other")}))
	must(client.TagResource(background, &kms.TagResourceInput{KeyId: key.KeyId,
		Tags: []types.Tag{{TagKey: aws.String("stage"), TagValue: aws.String("")}}}))
	must(client.UntagResource(background, &kms.UntagResourceInput{KeyId: key.KeyId, TagKeys: []string{"team"}}))
	tags := must(client.ListResourceTags(background, &kms.ListResourceTagsInput{KeyId: key.KeyId})).Tags
	equal(t, len(tags), 1)
	equal(t, *tags[0].TagKey+"="+*tags[0].TagValue, "stage=")

	policy := must(client.GetKeyPolicy(background, &kms.GetKeyPolicyInput{KeyId: key.KeyId})).Policy
	must(client.PutKeyPolicy(background, &kms.PutKeyPolicyInput{KeyId: key.KeyId, Policy: policy}))
	_, err := client.PutKeyPolicy(background, &kms.PutKeyPolicyInput{KeyId: key.KeyId, Policy: aws.String("{}")})
	refusedWith[*types.MalformedPolicyDocumentException](t, err)
	equal(t, must(client.ListKeyPolicies(background, &kms.ListKeyPoliciesInput{KeyId: key.KeyId})).PolicyNames[0], "default")

	must(client.EnableKeyRotation(background, &kms.EnableKeyRotationInput{KeyId: key.KeyId, RotationPeriodInDays: aws.Int32(90)}))
	rotation := must(client.GetKeyRotationStatus(background, &kms.GetKeyRotationStatusInput{KeyId: key.KeyId}))
	equal(t, rotation.KeyRotationEnabled, true)
	equal(t, *rotation.RotationPeriodInDays, 90)
	sealed := must(client.Encrypt(background, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("before")})).CiphertextBlob
	must(client.RotateKeyOnDemand(background, &kms.RotateKeyOnDemandInput{KeyId: key.KeyId}))
	rotated := func() []types.RotationsListEntry {
		return must(client.ListKeyRotations(background, &kms.ListKeyRotationsInput{KeyId: key.KeyId})).Rotations
	}
	for deadline := time.Now().Add(15 * time.Second); len(rotated()) == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not rotated")
		}
	}
	equal(t, rotated()[0].RotationType, types.RotationTypeOnDemand)
	equal(t, string(must(client.Decrypt(background, &kms.DecryptInput{CiphertextBlob: sealed})).Plaintext), "before")

	scheduled := must(client.ScheduleKeyDeletion(background,
		&kms.ScheduleKeyDeletionInput{KeyId: key.KeyId, PendingWindowInDays: aws.Int32(7)}))
	equal(t, scheduled.KeyState, types.KeyStatePendingDeletion)
	if left := time.Until(*scheduled.DeletionDate); left < 6*24*time.Hour || left > 8*24*time.Hour {
		t.Fatalf("deleted in %s", left)
	}
	must(client.CancelKeyDeletion(background, &kms.CancelKeyDeletionInput{KeyId: key.KeyId}))
	must(client.EnableKey(background, &kms.EnableKeyInput{KeyId: key.KeyId}))
	inState(t, client, *key.KeyId, types.KeyStateEnabled)
}

func TestPaginatorsSeeEverythingOnce(t *testing.T) {
	client := inRegion("ap-southeast-2")
	wanted := map[string]bool{}
	for n := range 5 {
		key := createKey(t, client, kms.CreateKeyInput{}).KeyId
		wanted[*key] = true
		must(client.CreateAlias(background, &kms.CreateAliasInput{
			AliasName: aws.String(fmt.Sprintf("alias/paged/%d", n)), TargetKeyId: key}))
	}
	keys := kms.NewListKeysPaginator(client, &kms.ListKeysInput{}, func(options *kms.ListKeysPaginatorOptions) { options.Limit = 2 })
	found, pages := map[string]bool{}, 0
	for ; keys.HasMorePages(); pages++ {
		for _, entry := range must(keys.NextPage(background)).Keys {
			equal(t, found[*entry.KeyId], false)
			found[*entry.KeyId] = true
		}
	}
	equal(t, fmt.Sprint(found, pages), fmt.Sprint(wanted, 3))

	names := 0
	aliases := kms.NewListAliasesPaginator(client, &kms.ListAliasesInput{Limit: aws.Int32(3)})
	for aliases.HasMorePages() {
		for _, alias := range must(aliases.NextPage(background)).Aliases {
			if strings.HasPrefix(*alias.AliasName, "alias/paged/") && wanted[*alias.TargetKeyId] {
				names++
			}
		}
	}
	equal(t, names, 5)
}

func TestAliasPointsElsewhereAndGoes(t *testing.T) {
	client := newClient()
	one, two := createKey(t, client, kms.CreateKeyInput{}), createKey(t, client, kms.CreateKeyInput{})
	name := aws.String("alias/go/" + *one.KeyId)
	create := kms.CreateAliasInput{AliasName: name, TargetKeyId: one.KeyId}
	must(client.CreateAlias(background, &create))
	_, err := client.CreateAlias(background, &create)
	refusedWith[*types.AlreadyExistsException](t, err)
	_, err = client.CreateAlias(background, &kms.CreateAliasInput{AliasName: aws.String("alias/aws/mine"), TargetKeyId: one.KeyId})
	equal(t, refusedWith[smithy.APIError](t, err).ErrorCode(), "NotAuthorizedException")
	must(client.UpdateAlias(background, &kms.UpdateAliasInput{AliasName: name, TargetKeyId: two.KeyId}))
	equal(t, *must(client.DescribeKey(background, &kms.DescribeKeyInput{KeyId: name})).KeyMetadata.Arn, *two.Arn)
	must(client.DeleteAlias(background, &kms.DeleteAliasInput{AliasName: name}))
	_, err = client.DescribeKey(background, &kms.DescribeKeyInput{KeyId: name})
	refusedWith[*types.NotFoundException](t, err)
}

func TestGrantLetsAUserInAtOnceWithItsToken(t *testing.T) {
	client, user := newClient(), asUser()
	key := createKey(t, client, kms.CreateKeyInput{}).Arn
	constraint := map[string]string{"tenant": "blau"}
	input := kms.EncryptInput{KeyId: key, Plaintext: []byte("x"), EncryptionContext: constraint}
	_, err := user.Encrypt(background, &input)
	equal(t, refusedWith[smithy.APIError](t, err).ErrorCode(), "AccessDeniedException")
	grant := must(client.CreateGrant(background, &kms.CreateGrantInput{KeyId: key, Name: aws.String("go"),
		GranteePrincipal: aws.String(os.Getenv("USER_ARN")), RetiringPrincipal: aws.String(os.Getenv("USER_ARN")),
		Operations:  []types.GrantOperation{types.GrantOperationEncrypt, types.GrantOperationDecrypt},
		Constraints: &types.GrantConstraints{EncryptionContextSubset: constraint}}))
	input.GrantTokens = []string{*grant.GrantToken}
	must(user.Encrypt(background, &input))
	input.EncryptionContext = map[string]string{"tenant": "rot"}
	_, err = user.Encrypt(background, &input)
	equal(t, refusedWith[smithy.APIError](t, err).ErrorCode(), "AccessDeniedException")
	input.GrantTokens = []string{"no token"}
	_, err = user.Encrypt(background, &input)
	refusedWith[*types.InvalidGrantTokenException](t, err)

	listed := 0
	for pages := kms.NewListGrantsPaginator(client, &kms.ListGrantsInput{KeyId: key}); pages.HasMorePages(); {
		for _, entry := range must(pages.NextPage(background)).Grants {
			equal(t, *entry.GrantId, *grant.GrantId)
			equal(t, entry.Constraints.EncryptionContextSubset["tenant"], "blau")
			listed++
		}
	}
	equal(t, listed, 1)
	must(user.RetireGrant(background, &kms.RetireGrantInput{GrantToken: grant.GrantToken}))
	equal(t, len(must(client.ListGrants(background, &kms.ListGrantsInput{KeyId: key})).Grants), 0)
}

func TestReplicaOpensWhatThePrimarySealed(t *testing.T) {
	here, there := newClient(), inRegion("us-west-2")
	key := createKey(t, here, kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	made := must(here.ReplicateKey(background, &kms.ReplicateKeyInput{KeyId: key.KeyId, ReplicaRegion: aws.String("us-west-2")}))
	equal(t, made.ReplicaKeyMetadata.KeyState, types.KeyStateCreating)
	replica := inState(t, there, *key.KeyId, types.KeyStateEnabled)
	equal(t, replica.MultiRegionConfiguration.MultiRegionKeyType, types.MultiRegionKeyTypeReplica)
	equal(t, *replica.MultiRegionConfiguration.PrimaryKey.Arn, *key.Arn)
	sealed := must(here.Encrypt(background, &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("both")}))
	opened := must(there.Decrypt(background, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}))
	equal(t, string(opened.Plaintext), "both")
	equal(t, *opened.KeyId, *replica.Arn)
}

func TestThrottlingIsRetriedAndToldWhereItIsNot(t *testing.T) {
	// The server allows one GetKeyLastUsage a second.
	patient := newClient(func(options *kms.Options) {
		options.Retryer = retry.AddWithMaxAttempts(options.Retryer, 12)
		options.Retryer = retry.AddWithMaxBackoffDelay(options.Retryer, time.Second)
	})
	input := kms.GetKeyLastUsageInput{KeyId: createKey(t, patient, kms.CreateKeyInput{}).KeyId}
	attempts := 0
	for range 3 {
		answer := must(patient.GetKeyLastUsage(background, &input))
		results, _ := retry.GetAttemptResults(answer.ResultMetadata)
		attempts += len(results.Results)
	}
	if attempts <= 3 {
		t.Fatalf("%d attempts: nothing was throttled", attempts)
	}
	hasty := newClient(func(options *kms.Options) { options.Retryer = aws.NopRetryer{} })
	for range 20 {
		if _, err := hasty.GetKeyLastUsage(background, &input); err != nil {
			equal(t, refusedWith[smithy.APIError](t, err).ErrorCode(), "ThrottlingException")
			return
		}
	}
	t.Fatal("never throttled")
}

func TestWrongSecretIsRefused(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	_, err := newClient().ListKeys(background, &kms.ListKeysInput{})
	equal(t, refusedWith[smithy.APIError](t, err).ErrorCode(), "InvalidSignatureException")
}

// What aws-iam-authenticator gives a cluster: the URL of a request that its bearer may send.
func TestPresignedGetCallerIdentityIsAnswered(t *testing.T) {
	presigned := must(sts.NewPresignClient(sts.NewFromConfig(settings())).
		PresignGetCallerIdentity(background, &sts.GetCallerIdentityInput{}))
	answer := must(http.DefaultClient.Do(must(http.NewRequest(presigned.Method, presigned.URL, nil))))
	defer answer.Body.Close()
	body := string(must(io.ReadAll(answer.Body)))
	if answer.StatusCode != 200 || !strings.Contains(body, "<Account>"+os.Getenv("ACCOUNT")+"</Account>") {
		t.Fatal(answer.StatusCode, body)
	}
}

func TestCertificatesOfTheServerAreVerified(t *testing.T) {
	bundle := os.Getenv("SSL_CERT_FILE")
	t.Setenv("SSL_CERT_FILE", "/nonexistent")
	_, err := newClient().ListKeys(background, &kms.ListKeysInput{})
	refusedWith[*tls.CertificateVerificationError](t, err)
	t.Setenv("AWS_CA_BUNDLE", bundle)
	must(newClient().ListKeys(background, &kms.ListKeysInput{}))
}

func TestManyGoroutinesShareAClient(t *testing.T) {
	client := newClient()
	key := createKey(t, client, kms.CreateKeyInput{}).KeyId
	var group sync.WaitGroup
	for n := range 40 {
		group.Go(func() {
			for round := range 10 {
				plaintext := fmt.Sprint(n, round)
				context := map[string]string{"goroutine": fmt.Sprint(n)}
				sealed, err := client.Encrypt(background, &kms.EncryptInput{
					KeyId: key, Plaintext: []byte(plaintext), EncryptionContext: context})
				if err != nil {
					t.Error(err)
					return
				}
				opened, err := client.Decrypt(background, &kms.DecryptInput{
					CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: context})
				if err != nil || string(opened.Plaintext) != plaintext {
					t.Error(err, plaintext)
					return
				}
			}
		})
	}
	group.Wait()
}
