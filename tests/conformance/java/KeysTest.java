package conformance;

import static conformance.Clients.KMS;
import static conformance.Clients.asUser;
import static conformance.Clients.assertAround;
import static conformance.Clients.createKey;
import static conformance.Clients.eventually;
import static conformance.Clients.inRegion;
import static conformance.Clients.inState;
import static conformance.Clients.refused;
import static conformance.Clients.utf8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.kms.model.AlreadyExistsException;
import software.amazon.awssdk.services.kms.model.EncryptRequest;
import software.amazon.awssdk.services.kms.model.GetKeyLastUsageRequest;
import software.amazon.awssdk.services.kms.model.GrantOperation;
import software.amazon.awssdk.services.kms.model.InvalidGrantTokenException;
import software.amazon.awssdk.services.kms.model.KeyListEntry;
import software.amazon.awssdk.services.kms.model.KeyState;
import software.amazon.awssdk.services.kms.model.KmsException;
import software.amazon.awssdk.services.kms.model.MalformedPolicyDocumentException;
import software.amazon.awssdk.services.kms.model.MultiRegionKeyType;
import software.amazon.awssdk.services.kms.model.NotFoundException;
import software.amazon.awssdk.services.kms.model.RotationType;
import software.amazon.awssdk.services.kms.model.Tag;

class KeysTest {
    private static Tag tag(String key, String value) {
        return Tag.builder().tagKey(key).tagValue(value).build();
    }

    @Test
    void aKeyLivesChangesAndIsScheduledForDeletion() throws Exception {
        var key = createKey(input -> input.tags(tag("team", "blau")));
        var keyId = key.keyId();
        assertAround(Instant.now(), key.creationDate(), Duration.ofMinutes(1));
        assertEquals(System.getenv("ACCOUNT"), key.awsAccountId());
        KMS.updateKeyDescription(input -> input.keyId(keyId).description("other"));
        assertEquals("other", KMS.describeKey(input -> input.keyId(keyId)).keyMetadata().description());
        KMS.tagResource(input -> input.keyId(keyId).tags(tag("stage", "")));
        KMS.untagResource(input -> input.keyId(keyId).tagKeys("team"));
        assertEquals(List.of(tag("stage", "")), KMS.listResourceTags(input -> input.keyId(keyId)).tags());

        var policy = KMS.getKeyPolicy(input -> input.keyId(keyId).policyName("default")).policy();
        KMS.putKeyPolicy(input -> input.keyId(keyId).policy(policy));
        assertEquals(policy, KMS.getKeyPolicy(input -> input.keyId(keyId)).policy());
        refused(MalformedPolicyDocumentException.class,
                () -> KMS.putKeyPolicy(input -> input.keyId(keyId).policy("{}")));

        KMS.enableKeyRotation(input -> input.keyId(keyId).rotationPeriodInDays(90));
        var rotation = KMS.getKeyRotationStatus(input -> input.keyId(keyId));
        assertTrue(rotation.keyRotationEnabled());
        assertEquals(90, rotation.rotationPeriodInDays());
        assertAround(Instant.now().plus(90, ChronoUnit.DAYS), rotation.nextRotationDate(), Duration.ofDays(1));
        var blob = KMS.encrypt(input -> input.keyId(keyId).plaintext(utf8("before"))).ciphertextBlob();
        KMS.rotateKeyOnDemand(input -> input.keyId(keyId));
        eventually(() -> KMS.listKeyRotations(input -> input.keyId(keyId)).hasRotations()
                && !KMS.listKeyRotations(input -> input.keyId(keyId)).rotations().isEmpty());
        var rotated = KMS.listKeyRotations(input -> input.keyId(keyId)).rotations().get(0);
        assertEquals(RotationType.ON_DEMAND, rotated.rotationType());
        assertAround(Instant.now(), rotated.rotationDate(), Duration.ofMinutes(1));
        assertEquals("before", KMS.decrypt(input -> input.ciphertextBlob(blob)).plaintext().asUtf8String());
        KMS.disableKeyRotation(input -> input.keyId(keyId));

        var scheduled = KMS.scheduleKeyDeletion(input -> input.keyId(keyId).pendingWindowInDays(7));
        assertEquals(KeyState.PENDING_DELETION, scheduled.keyState());
        assertAround(Instant.now().plus(7, ChronoUnit.DAYS), scheduled.deletionDate(), Duration.ofDays(1));
        KMS.cancelKeyDeletion(input -> input.keyId(keyId));
        assertEquals(KeyState.DISABLED, KMS.describeKey(input -> input.keyId(keyId)).keyMetadata().keyState());
        KMS.enableKey(input -> input.keyId(keyId));
        inState(KMS, keyId, KeyState.ENABLED);
    }

    @Test
    void paginatorsSeeEverythingOnce() {
        var client = inRegion("ap-southeast-2");
        var wanted = new HashMap<String, String>();
        for (int n = 0; n < 5; n++) {
            var name = "alias/paged/" + n;
            var key = client.createKey().keyMetadata().keyId();
            client.createAlias(input -> input.aliasName(name).targetKeyId(key));
            wanted.put(name, key);
        }
        var pages = client.listKeysPaginator(input -> input.limit(2));
        assertEquals(3, pages.stream().count());
        assertEquals(wanted.values().stream().sorted().toList(),
                pages.keys().stream().map(KeyListEntry::keyId).sorted().toList());
        assertEquals(wanted, client.listAliasesPaginator(input -> input.limit(3)).aliases().stream()
                .filter(alias -> alias.aliasName().startsWith("alias/paged/"))
                .collect(Collectors.toMap(alias -> alias.aliasName(), alias -> alias.targetKeyId())));

        var key = wanted.get("alias/paged/0");
        assertEquals(List.of("default"),
                client.listKeyPoliciesPaginator(input -> input.keyId(key)).policyNames().stream().toList());
        client.tagResource(input -> input.keyId(key).tags(tag("a", "1"), tag("b", "2"), tag("c", "3")));
        assertEquals(3, client.listResourceTagsPaginator(input -> input.keyId(key).limit(1)).tags().stream().count());
        assertEquals(0, client.describeCustomKeyStoresPaginator().customKeyStores().stream().count());
    }

    @Test
    void anAliasPointsElsewhereAndGoes() {
        var one = createKey();
        var two = createKey();
        var name = "alias/java/" + one.keyId();
        KMS.createAlias(input -> input.aliasName(name).targetKeyId(one.keyId()));
        refused(AlreadyExistsException.class,
                () -> KMS.createAlias(input -> input.aliasName(name).targetKeyId(one.keyId())));
        refused("NotAuthorizedException",
                () -> KMS.createAlias(input -> input.aliasName("alias/aws/mine").targetKeyId(one.keyId())));
        KMS.updateAlias(input -> input.aliasName(name).targetKeyId(two.keyId()));
        assertEquals(two.arn(), KMS.describeKey(input -> input.keyId(name)).keyMetadata().arn());
        KMS.deleteAlias(input -> input.aliasName(name));
        refused(NotFoundException.class, () -> KMS.describeKey(input -> input.keyId(name)));
    }

    @Test
    void aGrantLetsAUserInAtOnceWithItsToken() {
        var user = asUser();
        var userArn = System.getenv("USER_ARN");
        var key = createKey().arn();
        var constraint = Map.of("tenant", "blau");
        var good = EncryptRequest.builder().keyId(key).plaintext(utf8("x")).encryptionContext(constraint).build();
        refused("AccessDeniedException", () -> user.encrypt(good));
        var grant = KMS.createGrant(input -> input.keyId(key).name("java").granteePrincipal(userArn)
                .retiringPrincipal(userArn).operations(GrantOperation.ENCRYPT, GrantOperation.DECRYPT)
                .constraints(within -> within.encryptionContextSubset(constraint)));
        var token = grant.grantToken();
        user.encrypt(good.toBuilder().grantTokens(token).build());
        refused("AccessDeniedException", () -> user.encrypt(good.toBuilder().grantTokens(token)
                .encryptionContext(Map.of("tenant", "rot")).build()));
        refused(InvalidGrantTokenException.class,
                () -> user.encrypt(good.toBuilder().grantTokens("no token").build()));

        var listed = KMS.listGrantsPaginator(input -> input.keyId(key)).grants().stream().toList();
        assertEquals(1, listed.size());
        assertEquals(grant.grantId(), listed.get(0).grantId());
        assertEquals(constraint, listed.get(0).constraints().encryptionContextSubset());
        assertTrue(KMS.listRetirableGrantsPaginator(input -> input.retiringPrincipal(userArn).limit(1)).grants()
                .stream().anyMatch(entry -> entry.grantId().equals(grant.grantId())));
        user.retireGrant(input -> input.grantToken(token));
        assertEquals(List.of(), KMS.listGrants(input -> input.keyId(key)).grants());
        var another = KMS.createGrant(input -> input.keyId(key).granteePrincipal(userArn)
                .operations(GrantOperation.ENCRYPT)).grantId();
        KMS.revokeGrant(input -> input.keyId(key).grantId(another));
        refused(NotFoundException.class, () -> KMS.revokeGrant(input -> input.keyId(key).grantId(another)));
    }

    @Test
    void aReplicaOpensWhatThePrimarySealedAndBecomesThePrimary() throws Exception {
        var there = inRegion("us-west-2");
        var key = createKey(input -> input.multiRegion(true));
        var keyId = key.keyId();
        var made = KMS.replicateKey(input -> input.keyId(keyId).replicaRegion("us-west-2"));
        assertEquals(KeyState.CREATING, made.replicaKeyMetadata().keyState());
        var replica = inState(there, keyId, KeyState.ENABLED);
        assertEquals(MultiRegionKeyType.REPLICA, replica.multiRegionConfiguration().multiRegionKeyType());
        assertEquals(key.arn(), replica.multiRegionConfiguration().primaryKey().arn());
        var blob = KMS.encrypt(input -> input.keyId(keyId).plaintext(utf8("both"))).ciphertextBlob();
        var opened = there.decrypt(input -> input.ciphertextBlob(blob));
        assertEquals("both", opened.plaintext().asUtf8String());
        assertEquals(replica.arn(), opened.keyId());

        KMS.updatePrimaryRegion(input -> input.keyId(keyId).primaryRegion("us-west-2"));
        eventually(() -> there.describeKey(input -> input.keyId(keyId)).keyMetadata().multiRegionConfiguration()
                .multiRegionKeyType() == MultiRegionKeyType.PRIMARY);
    }

    @Test
    void throttlingIsRetriedAndToldWhereItIsNot() {
        // The server allows one GetKeyLastUsage a second.
        var input = GetKeyLastUsageRequest.builder().keyId(createKey().keyId()).build();
        var hasty = KmsClient.builder()
                .overrideConfiguration(settings -> settings.retryStrategy(retry -> retry.maxAttempts(1))).build();
        eventuallyThrottled(() -> hasty.getKeyLastUsage(input));
        var patient = KmsClient.builder()
                .overrideConfiguration(settings -> settings.retryStrategy(retry -> retry.maxAttempts(12))).build();
        for (int n = 0; n < 3; n++) {
            patient.getKeyLastUsage(input);
        }
    }

    private static void eventuallyThrottled(Runnable call) {
        KmsException said = null;
        for (int n = 0; n < 20 && said == null; n++) {
            try {
                call.run();
            } catch (KmsException refusal) {
                said = refusal;
            }
        }
        assertTrue(said != null && said.isThrottlingException(), "never throttled");
        assertEquals("ThrottlingException", said.awsErrorDetails().errorCode());
    }
}
