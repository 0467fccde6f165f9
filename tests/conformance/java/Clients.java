package conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.function.Executable;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.kms.model.CreateKeyRequest;
import software.amazon.awssdk.services.kms.model.KeyMetadata;
import software.amazon.awssdk.services.kms.model.KeyState;
import software.amazon.awssdk.services.kms.model.KmsException;

/** Clients of the server in the environment, and what the tests share. */
final class Clients {
    /** Finds the server, its Region and credentials by the environment, as every client here that is not told. */
    static final KmsClient KMS = KmsClient.create();

    private Clients() {}

    static KmsClient inRegion(String region) {
        return KmsClient.builder().region(Region.of(region)).build();
    }

    /** The client of a user whom no policy lets do anything. */
    static KmsClient asUser() {
        return as(System.getenv("USER_ACCESS_KEY_ID"), System.getenv("USER_SECRET_ACCESS_KEY"));
    }

    static KmsClient as(String accessKeyId, String secretAccessKey) {
        return KmsClient.builder()
                .credentialsProvider(StaticCredentialsProvider.create(
                        AwsBasicCredentials.create(accessKeyId, secretAccessKey)))
                .build();
    }

    static KeyMetadata createKey(Consumer<CreateKeyRequest.Builder> input) {
        return KMS.createKey(input).keyMetadata();
    }

    static KeyMetadata createKey() {
        return createKey(input -> {});
    }

    static SdkBytes utf8(String text) {
        return SdkBytes.fromUtf8String(text);
    }

    static <E extends KmsException> E refused(Class<E> wanted, Executable call) {
        E said = Assertions.assertThrowsExactly(wanted, call);
        assertEquals(400, said.statusCode());
        assertEquals(36, said.requestId().length());
        return said;
    }

    /** Of errors that the API does not declare for an operation, only the code tells. */
    static void refused(String code, Executable call) {
        assertEquals(code, refused(KmsException.class, call).awsErrorDetails().errorCode());
    }

    static void eventually(BooleanSupplier holds) throws InterruptedException {
        for (Instant deadline = Instant.now().plusSeconds(15); !holds.getAsBoolean(); Thread.sleep(100)) {
            assertTrue(Instant.now().isBefore(deadline), "it did not come to pass");
        }
    }

    static KeyMetadata inState(KmsClient client, String keyId, KeyState state) throws InterruptedException {
        eventually(() -> client.describeKey(input -> input.keyId(keyId)).keyMetadata().keyState() == state);
        return client.describeKey(input -> input.keyId(keyId)).keyMetadata();
    }

    static void assertAround(Instant wanted, Instant got, Duration tolerance) {
        assertTrue(Duration.between(wanted, got).abs().compareTo(tolerance) <= 0, () -> got + " is not about " + wanted);
    }
}
