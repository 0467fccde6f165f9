package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertThrowsExactly;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.kms.AWSKMS;
import com.amazonaws.services.kms.AWSKMSAsyncClientBuilder;
import com.amazonaws.services.kms.AWSKMSClientBuilder;
import com.amazonaws.services.kms.model.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.KeyFactory;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** The AWS SDK for Java v1, which reads no AWS_ENDPOINT_URL. */
class VersionOneTest {
    static final EndpointConfiguration ENDPOINT =
            new EndpointConfiguration(System.getenv("AWS_ENDPOINT_URL_KMS"), System.getenv("AWS_REGION"));
    private static final AWSKMS KMS =
            AWSKMSClientBuilder.standard().withEndpointConfiguration(ENDPOINT).build();

    private static ByteBuffer utf8(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }

    private static <E extends AWSKMSException> E refused(Class<E> wanted, Executable call) {
        E said = assertThrowsExactly(wanted, call);
        assertEquals(400, said.getStatusCode());
        assertEquals(36, said.getRequestId().length());
        return said;
    }

    @Test
    void keysAreMadeUsedAndScheduledForDeletion() throws Exception {
        var key = KMS.createKey(new CreateKeyRequest().withDescription("größe")
                .withTags(new Tag().withTagKey("team").withTagValue("blau"))).getKeyMetadata();
        assertEquals("größe", key.getDescription());
        assertTrue(Math.abs(System.currentTimeMillis() - key.getCreationDate().getTime()) < 60_000);
        var context = Map.of("tenant", "blau");
        var blob = KMS.encrypt(new EncryptRequest().withKeyId(key.getKeyId()).withPlaintext(utf8("hello"))
                .withEncryptionContext(context)).getCiphertextBlob();
        var opened = KMS.decrypt(new DecryptRequest().withCiphertextBlob(blob).withEncryptionContext(context));
        assertEquals(utf8("hello"), opened.getPlaintext());
        assertNotNull(opened.getSdkResponseMetadata().getRequestId());
        refused(InvalidCiphertextException.class, () -> KMS.decrypt(new DecryptRequest().withCiphertextBlob(blob)));
        refused(NotFoundException.class, () -> KMS.describeKey(new DescribeKeyRequest().withKeyId("alias/none")));
        var said = refused(AWSKMSException.class, () -> KMS.encrypt(new EncryptRequest().withKeyId(key.getKeyId())
                .withPlaintext(ByteBuffer.allocate(4097))));
        assertEquals("ValidationException", said.getErrorCode());
        var user = AWSKMSClientBuilder.standard().withEndpointConfiguration(ENDPOINT)
                .withCredentials(new AWSStaticCredentialsProvider(new BasicAWSCredentials(
                        System.getenv("USER_ACCESS_KEY_ID"), System.getenv("USER_SECRET_ACCESS_KEY")))).build();
        assertEquals("AccessDeniedException", refused(AWSKMSException.class,
                () -> user.describeKey(new DescribeKeyRequest().withKeyId(key.getArn()))).getErrorCode());

        var dataKey = KMS.generateDataKey(
                new GenerateDataKeyRequest().withKeyId(key.getArn()).withKeySpec(DataKeySpec.AES_256));
        assertEquals(dataKey.getPlaintext(),
                KMS.decrypt(new DecryptRequest().withCiphertextBlob(dataKey.getCiphertextBlob())).getPlaintext());
        KMS.enableKeyRotation(new EnableKeyRotationRequest().withKeyId(key.getKeyId()));
        assertTrue(KMS.getKeyRotationStatus(
                new GetKeyRotationStatusRequest().withKeyId(key.getKeyId())).isKeyRotationEnabled());

        KMS.disableKey(new DisableKeyRequest().withKeyId(key.getKeyId()));
        refused(DisabledException.class, () -> KMS.encrypt(
                new EncryptRequest().withKeyId(key.getKeyId()).withPlaintext(utf8("x"))));
        var scheduled = KMS.scheduleKeyDeletion(
                new ScheduleKeyDeletionRequest().withKeyId(key.getKeyId()).withPendingWindowInDays(7));
        long left = scheduled.getDeletionDate().getTime() - System.currentTimeMillis();
        assertTrue(left > Duration.ofDays(6).toMillis() && left < Duration.ofDays(8).toMillis());
        refused(KMSInvalidStateException.class,
                () -> KMS.decrypt(new DecryptRequest().withCiphertextBlob(blob).withEncryptionContext(context)));
    }

    @Test
    void signaturesVerifyInTheJdk() throws Exception {
        var key = KMS.createKey(new CreateKeyRequest().withKeySpec(KeySpec.ECC_NIST_P256)
                .withKeyUsage(KeyUsageType.SIGN_VERIFY)).getKeyMetadata().getKeyId();
        var signature = KMS.sign(new SignRequest().withKeyId(key).withMessage(utf8("message"))
                .withMessageType(MessageType.RAW).withSigningAlgorithm(SigningAlgorithmSpec.ECDSA_SHA_256)).getSignature();
        var publicKey = KMS.getPublicKey(new GetPublicKeyRequest().withKeyId(key)).getPublicKey();
        Signature verifier = Signature.getInstance("SHA256withECDSA");
        verifier.initVerify(KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(publicKey.array())));
        verifier.update(utf8("message"));
        assertTrue(verifier.verify(signature.array()));
        refused(KMSInvalidSignatureException.class, () -> KMS.verify(new VerifyRequest().withKeyId(key)
                .withMessage(utf8("another")).withSignature(signature)
                .withSigningAlgorithm(SigningAlgorithmSpec.ECDSA_SHA_256)));
    }

    @Test
    void listsAreReadPageByPage() {
        KMS.createKey();
        KMS.createKey();
        var found = new HashSet<String>();
        var request = new ListKeysRequest().withLimit(1);
        ListKeysResult page;
        do {
            page = KMS.listKeys(request);
            page.getKeys().forEach(entry -> assertTrue(found.add(entry.getKeyId())));
            request.setMarker(page.getNextMarker());
        } while (page.isTruncated());
        assertTrue(found.size() >= 2);
    }

    @Test
    void theAsyncClientAnswers() throws Exception {
        var client = AWSKMSAsyncClientBuilder.standard().withEndpointConfiguration(ENDPOINT).build();
        try {
            assertEquals(24, client.generateRandomAsync(new GenerateRandomRequest().withNumberOfBytes(24))
                    .get().getPlaintext().remaining());
            var missing = client.describeKeyAsync(new DescribeKeyRequest().withKeyId("alias/none"));
            assertInstanceOf(NotFoundException.class, assertThrows(ExecutionException.class, missing::get).getCause());
        } finally {
            client.shutdown();
        }
    }
}
