package conformance;

import static conformance.Clients.KMS;
import static conformance.Clients.asUser;
import static conformance.Clients.createKey;
import static conformance.Clients.refused;
import static conformance.Clients.utf8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kms.model.DataKeyPairSpec;
import software.amazon.awssdk.services.kms.model.DataKeySpec;
import software.amazon.awssdk.services.kms.model.DisabledException;
import software.amazon.awssdk.services.kms.model.DryRunOperationException;
import software.amazon.awssdk.services.kms.model.EncryptionAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.IncorrectKeyException;
import software.amazon.awssdk.services.kms.model.InvalidCiphertextException;
import software.amazon.awssdk.services.kms.model.KeyState;
import software.amazon.awssdk.services.kms.model.KmsInvalidStateException;
import software.amazon.awssdk.services.kms.model.NotFoundException;

class EncryptionTest {
    private static final Map<String, String> CONTEXT = Map.of("tenant", "blau", "größe", "<&>");

    @Test
    void anEncryptionContextBindsAndErrorsHaveTheirClasses() {
        var key = createKey(input -> input.description("made by Java"));
        assertEquals(KeyState.ENABLED, key.keyState());
        assertEquals("made by Java", key.description());
        var sealed = KMS.encrypt(input -> input.keyId(key.keyId()).plaintext(utf8("hello")).encryptionContext(CONTEXT));
        var blob = sealed.ciphertextBlob();
        var opened = KMS.decrypt(input -> input.ciphertextBlob(blob).encryptionContext(CONTEXT));
        assertEquals("hello", opened.plaintext().asUtf8String());
        assertEquals(key.arn(), opened.keyId());
        assertEquals(EncryptionAlgorithmSpec.SYMMETRIC_DEFAULT, opened.encryptionAlgorithm());
        assertEquals(36, opened.responseMetadata().requestId().length());

        // AWS says nothing more about a ciphertext that does not open than the name of the error.
        var said = refused(InvalidCiphertextException.class, () -> KMS.decrypt(input -> input.ciphertextBlob(blob)));
        assertNull(said.awsErrorDetails().errorMessage());
        refused(InvalidCiphertextException.class, () -> KMS.decrypt(input -> input.ciphertextBlob(blob)
                .encryptionContext(Map.of("tenant", "rot", "größe", "<&>"))));
        var missing = refused(NotFoundException.class, () -> KMS.describeKey(input -> input.keyId("alias/none")));
        assertTrue(missing.awsErrorDetails().errorMessage().contains("alias/none"));
        refused(DryRunOperationException.class,
                () -> KMS.encrypt(input -> input.keyId(key.keyId()).plaintext(utf8("x")).dryRun(true)));
        refused("ValidationException", () -> KMS.encrypt(
                input -> input.keyId(key.keyId()).plaintext(SdkBytes.fromByteArray(new byte[4097]))));
        refused("AccessDeniedException", () -> asUser().describeKey(input -> input.keyId(key.keyId())));

        KMS.disableKey(input -> input.keyId(key.keyId()));
        refused(DisabledException.class, () -> KMS.encrypt(input -> input.keyId(key.keyId()).plaintext(utf8("x"))));
        KMS.scheduleKeyDeletion(input -> input.keyId(key.keyId()));
        refused(KmsInvalidStateException.class,
                () -> KMS.decrypt(input -> input.ciphertextBlob(blob).encryptionContext(CONTEXT)));
    }

    @Test
    void aCiphertextMovesToAnotherKey() {
        var from = createKey();
        var to = createKey();
        var sealed = KMS.encrypt(input -> input.keyId(from.keyId()).plaintext(utf8("moves"))).ciphertextBlob();
        var moved = KMS.reEncrypt(input -> input.ciphertextBlob(sealed).destinationKeyId(to.arn())
                .destinationEncryptionContext(CONTEXT));
        assertEquals(from.arn(), moved.sourceKeyId());
        var blob = moved.ciphertextBlob();
        assertEquals("moves", KMS.decrypt(input -> input.keyId(to.keyId()).ciphertextBlob(blob)
                .encryptionContext(CONTEXT)).plaintext().asUtf8String());
        refused(IncorrectKeyException.class, () -> KMS.decrypt(
                input -> input.keyId(from.keyId()).ciphertextBlob(blob).encryptionContext(CONTEXT)));
    }

    @Test
    void dataKeysOpenToWhatTheyWere() {
        var key = createKey().arn();
        var made = KMS.generateDataKey(input -> input.keyId(key).keySpec(DataKeySpec.AES_256));
        assertEquals(32, made.plaintext().asByteArray().length);
        assertEquals(made.plaintext(), opened(made.ciphertextBlob()));
        var odd = KMS.generateDataKey(input -> input.keyId(key).numberOfBytes(37));
        assertEquals(37, opened(odd.ciphertextBlob()).asByteArray().length);
        var unseen = KMS.generateDataKeyWithoutPlaintext(input -> input.keyId(key).keySpec(DataKeySpec.AES_128));
        assertEquals(16, opened(unseen.ciphertextBlob()).asByteArray().length);
        assertEquals(99, KMS.generateRandom(input -> input.numberOfBytes(99)).plaintext().asByteArray().length);
    }

    @ParameterizedTest
    @CsvSource({
        "RSA_2048, RSA, SHA256withRSA", "RSA_4096, RSA, SHA256withRSA", "ECC_NIST_P256, EC, SHA256withECDSA",
        "ECC_NIST_P384, EC, SHA384withECDSA", "ECC_NIST_P521, EC, SHA512withECDSA",
        "ECC_NIST_EDWARDS25519, Ed25519, Ed25519",
    })
    void dataKeyPairsAreOfTheJdk(String spec, String family, String algorithm) throws Exception {
        var key = createKey().arn();
        var pair = KMS.generateDataKeyPair(
                input -> input.keyId(key).keyPairSpec(DataKeyPairSpec.fromValue(spec)).encryptionContext(CONTEXT));
        var wrapped = pair.privateKeyCiphertextBlob();
        assertEquals(pair.privateKeyPlaintext(), KMS.decrypt(
                input -> input.ciphertextBlob(wrapped).encryptionContext(CONTEXT)).plaintext());
        requireAPair(pair.privateKeyPlaintext(), pair.publicKey(), family, algorithm);
        var hidden = KMS.generateDataKeyPairWithoutPlaintext(
                input -> input.keyId(key).keyPairSpec(DataKeyPairSpec.fromValue(spec)));
        requireAPair(opened(hidden.privateKeyCiphertextBlob()), hidden.publicKey(), family, algorithm);
    }

    private static SdkBytes opened(SdkBytes blob) {
        return KMS.decrypt(input -> input.ciphertextBlob(blob)).plaintext();
    }

    private static void requireAPair(SdkBytes privateKey, SdkBytes publicKey, String family, String algorithm)
            throws Exception {
        KeyFactory factory = KeyFactory.getInstance(family);
        PrivateKey signing = factory.generatePrivate(new PKCS8EncodedKeySpec(privateKey.asByteArray()));
        var verifying = factory.generatePublic(new X509EncodedKeySpec(publicKey.asByteArray()));
        assertArrayEquals(publicKey.asByteArray(), verifying.getEncoded());
        Signature signer = Signature.getInstance(algorithm);
        signer.initSign(signing);
        signer.update(new byte[] {1});
        Signature verifier = Signature.getInstance(algorithm);
        verifier.initVerify(verifying);
        verifier.update(new byte[] {1});
        assertTrue(verifier.verify(signer.sign()));
    }
}
