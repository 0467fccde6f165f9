package conformance;

import static conformance.Clients.KMS;
import static conformance.Clients.createKey;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.amazonaws.services.kms.AWSKMSClientBuilder;
import com.amazonaws.services.kms.model.DisabledException;
import com.amazonaws.services.kms.model.InvalidCiphertextException;
import com.google.crypto.tink.Aead;
import com.google.crypto.tink.aead.AeadConfig;
import com.google.crypto.tink.aead.KmsEnvelopeAead;
import com.google.crypto.tink.aead.PredefinedAeadParameters;
import com.google.crypto.tink.integration.awskms.AwsKmsAead;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.core.SdkBytes;

/** Tink, which has the AWS SDK for Java v1 inside. */
class TinkTest {
    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void itSealsRemotelyAndInAnEnvelope() throws Exception {
        AeadConfig.register();
        var key = createKey().arn();
        var client = AWSKMSClientBuilder.standard().withEndpointConfiguration(VersionOneTest.ENDPOINT).build();
        Aead remote = new AwsKmsAead(client, key);
        byte[] sealed = remote.encrypt(utf8("to be sealed"), utf8("tenant 7"));
        assertArrayEquals(utf8("to be sealed"), remote.decrypt(sealed, utf8("tenant 7")));
        var said = assertThrows(GeneralSecurityException.class, () -> remote.decrypt(sealed, utf8("tenant 8")));
        assertInstanceOf(InvalidCiphertextException.class, said.getCause());
        // As Tink for Go and for Python: the associated data are a context, in hexadecimal digits.
        assertEquals("to be sealed", KMS.decrypt(input -> input.ciphertextBlob(SdkBytes.fromByteArray(sealed))
                .encryptionContext(Map.of("associatedData", "74656e616e742037"))).plaintext().asUtf8String());

        Aead envelope = KmsEnvelopeAead.create(PredefinedAeadParameters.AES256_GCM, remote);
        byte[] content = utf8("envelope ".repeat(5000));
        byte[] message = envelope.encrypt(content, utf8("file 1"));
        assertArrayEquals(content, envelope.decrypt(message, utf8("file 1")));
        KMS.disableKey(input -> input.keyId(key));
        said = assertThrows(GeneralSecurityException.class, () -> envelope.decrypt(message, utf8("file 1")));
        assertInstanceOf(DisabledException.class, said.getCause());
    }
}
