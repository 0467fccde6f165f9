package conformance;

import static conformance.Clients.KMS;
import static conformance.Clients.as;
import static conformance.Clients.asUser;
import static conformance.Clients.createKey;
import static conformance.Clients.refused;
import static conformance.Clients.utf8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.iam.IamClient;
import software.amazon.awssdk.services.iam.model.NoSuchEntityException;
import software.amazon.awssdk.services.iam.model.Tag;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.sts.StsClient;
import software.amazon.awssdk.services.sts.auth.StsAssumeRoleCredentialsProvider;
import software.amazon.awssdk.services.sts.auth.StsGetSessionTokenCredentialsProvider;
import software.amazon.awssdk.services.sts.model.StsException;

class CallersTest {
    private static final IamClient IAM = IamClient.builder().region(Region.AWS_GLOBAL).build();
    private static final StsClient STS = StsClient.create();

    private static final String USERS_TRUST = """
            {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
             "Principal": {"AWS": "%s"}}}""".formatted(System.getenv("USER_ARN"));

    @Test
    void aUserAssumesARoleByTheSdksProvider() {
        var key = createKey().arn();
        var role = IAM.createRole(input -> input.roleName("sealer").path("/java/").description("größe")
                .assumeRolePolicyDocument(USERS_TRUST)).role();
        IAM.waiter().waitUntilRoleExists(input -> input.roleName("sealer")).matched().response().orElseThrow();
        IAM.putRolePolicy(input -> input.roleName("sealer").policyName("seal").policyDocument("""
                {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"],
                 "Resource": "%s", "Condition": {"StringEquals": {"kms:EncryptionContext:tenant": "blau"}}}}"""
                .formatted(key)));
        var user = StsClient.builder().credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(
                System.getenv("USER_ACCESS_KEY_ID"), System.getenv("USER_SECRET_ACCESS_KEY")))).build();
        try (var provider = StsAssumeRoleCredentialsProvider.builder().stsClient(user)
                .refreshRequest(input -> input.roleArn(role.arn()).roleSessionName("java")).build()) {
            var caller = StsClient.builder().credentialsProvider(provider).build().getCallerIdentity();
            assertEquals("arn:aws:sts::" + System.getenv("ACCOUNT") + ":assumed-role/sealer/java", caller.arn());
            var client = KmsClient.builder().credentialsProvider(provider).build();
            var context = Map.of("tenant", "blau");
            var blob = client.encrypt(
                    input -> input.keyId(key).plaintext(utf8("x")).encryptionContext(context)).ciphertextBlob();
            assertEquals("x", client.decrypt(input -> input.ciphertextBlob(blob).encryptionContext(context))
                    .plaintext().asUtf8String());
            refused("AccessDeniedException", () -> client.encrypt(input -> input.keyId(key).plaintext(utf8("x"))));
            refused("AccessDeniedException", () -> client.describeKey(input -> input.keyId(key)));
        }
        // The root of an account assumes no role.
        var said = assertThrowsExactly(StsException.class,
                () -> STS.assumeRole(input -> input.roleArn(role.arn()).roleSessionName("java")));
        assertEquals("AccessDenied", said.awsErrorDetails().errorCode());
        assertEquals(403, said.statusCode());
    }

    @Test
    void aSessionOfTheCallersOwnIsTheCaller() {
        try (var provider = StsGetSessionTokenCredentialsProvider.builder().stsClient(STS).build()) {
            var client = KmsClient.builder().credentialsProvider(provider).build();
            var key = createKey().arn();
            assertEquals(key, client.describeKey(input -> input.keyId(key)).keyMetadata().arn());
        }
    }

    @Test
    void usersComeAndGoByIam() {
        assertThrowsExactly(NoSuchEntityException.class, () -> IAM.getUser(input -> input.userName("jane")));
        IAM.createUser(input -> input.userName("jane")
                .tags(Tag.builder().key("team").value("blau").build()));
        var made = IAM.waiter().waitUntilUserExists(input -> input.userName("jane")).matched().response().orElseThrow();
        assertEquals("blau", made.user().tags().get(0).value());
        var accessKey = IAM.createAccessKey(input -> input.userName("jane")).accessKey();
        var client = as(accessKey.accessKeyId(), accessKey.secretAccessKey());
        refused("AccessDeniedException", client::listKeys);
        IAM.putUserPolicy(input -> input.userName("jane").policyName("list").policyDocument("""
                {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}}"""));
        client.listKeys();
        assertTrue(IAM.listUsersPaginator(input -> input.maxItems(1)).users().stream()
                .anyMatch(user -> user.userName().equals("jane")));
        IAM.deleteUserPolicy(input -> input.userName("jane").policyName("list"));
        IAM.deleteAccessKey(input -> input.userName("jane").accessKeyId(accessKey.accessKeyId()));
        refused("UnrecognizedClientException", client::listKeys);
        IAM.deleteUser(input -> input.userName("jane"));
    }

    @Test
    void aWrongSecretIsRefused() {
        refused("InvalidSignatureException", as(System.getenv("AWS_ACCESS_KEY_ID"), "wrong")::listKeys);
        refused("AccessDeniedException", asUser()::listKeys);
        KMS.listKeys();
    }
}
