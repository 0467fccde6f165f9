package conformance;

import static conformance.Clients.KMS;
import static conformance.Clients.createKey;
import static conformance.Clients.inRegion;
import static conformance.Clients.inState;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.amazonaws.encryptionsdk.AwsCrypto;
import com.amazonaws.encryptionsdk.CommitmentPolicy;
import com.amazonaws.encryptionsdk.CryptoAlgorithm;
import com.amazonaws.encryptionsdk.MasterKeyProvider;
import com.amazonaws.encryptionsdk.kms.DiscoveryFilter;
import com.amazonaws.encryptionsdk.kmssdkv2.AwsKmsMrkAwareMasterKeyProvider;
import com.amazonaws.encryptionsdk.kmssdkv2.KmsMasterKeyProvider;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kms.model.EncryptionAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.KeySpec;
import software.amazon.awssdk.services.kms.model.KeyState;
import software.amazon.awssdk.services.kms.model.KeyUsageType;
import software.amazon.cryptography.materialproviders.IKeyring;
import software.amazon.cryptography.materialproviders.MaterialProviders;
import software.amazon.cryptography.materialproviders.model.CreateAwsKmsDiscoveryMultiKeyringInput;
import software.amazon.cryptography.materialproviders.model.CreateAwsKmsEcdhKeyringInput;
import software.amazon.cryptography.materialproviders.model.CreateAwsKmsKeyringInput;
import software.amazon.cryptography.materialproviders.model.CreateAwsKmsMrkKeyringInput;
import software.amazon.cryptography.materialproviders.model.CreateAwsKmsMultiKeyringInput;
import software.amazon.cryptography.materialproviders.model.CreateAwsKmsRsaKeyringInput;
import software.amazon.cryptography.materialproviders.model.KmsEcdhStaticConfigurations;
import software.amazon.cryptography.materialproviders.model.KmsPrivateKeyToStaticPublicKeyInput;
import software.amazon.cryptography.materialproviders.model.MaterialProvidersConfig;
import software.amazon.cryptography.primitives.model.ECDHCurveSpec;

class EncryptionSdkTest {
    static final AwsCrypto CRYPTO = AwsCrypto.builder()
            .withCommitmentPolicy(CommitmentPolicy.RequireEncryptRequireDecrypt).build();

    /** Without a signature, which the keyrings of asymmetric keys do not go with. */
    private static final AwsCrypto UNSIGNED = CRYPTO.toBuilder()
            .withEncryptionAlgorithm(CryptoAlgorithm.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY).build();

    private static final MaterialProviders PROVIDERS = MaterialProviders.builder()
            .MaterialProvidersConfig(MaterialProvidersConfig.builder().build()).build();

    static final byte[] CONTENT = "envelope ".repeat(5000).getBytes(StandardCharsets.UTF_8);
    static final Map<String, String> CONTEXT = Map.of("tenant", "blau");

    private static byte[] opened(AwsCrypto crypto, IKeyring keyring, byte[] message) {
        var answer = crypto.decryptData(keyring, message);
        assertEquals("blau", answer.getEncryptionContext().get("tenant"));
        return answer.getResult();
    }

    private static IKeyring keyring(String keyArn) {
        return PROVIDERS.CreateAwsKmsKeyring(
                CreateAwsKmsKeyringInput.builder().kmsClient(KMS).kmsKeyId(keyArn).build());
    }

    private static IKeyring discovery(String account) {
        return PROVIDERS.CreateAwsKmsDiscoveryMultiKeyring(CreateAwsKmsDiscoveryMultiKeyringInput.builder()
                .regions(List.of("us-west-2", System.getenv("AWS_REGION")))
                .discoveryFilter(software.amazon.cryptography.materialproviders.model.DiscoveryFilter.builder()
                        .accountIds(List.of(account)).partition("aws").build())
                .build());
    }

    @Test
    void keyringsOfOneKeyOfSeveralAndOfNoneThatIsNamed() {
        var one = createKey().arn();
        var two = createKey().arn();
        var both = PROVIDERS.CreateAwsKmsMultiKeyring(
                CreateAwsKmsMultiKeyringInput.builder().generator(one).kmsKeyIds(List.of(two)).build());
        byte[] message = CRYPTO.encryptData(both, CONTENT, CONTEXT).getResult();
        for (var keyring : List.of(both, keyring(one), keyring(two), discovery(System.getenv("ACCOUNT")))) {
            assertArrayEquals(CONTENT, opened(CRYPTO, keyring, message));
        }
        assertThrows(RuntimeException.class, () -> CRYPTO.decryptData(discovery("999999999999"), message));
        assertThrows(RuntimeException.class, () -> CRYPTO.decryptData(keyring(createKey().arn()), message));
        assertThrows(RuntimeException.class, () -> CRYPTO.decryptData(both, message, Map.of("tenant", "rot")));
        byte[] changed = message.clone();
        changed[changed.length / 2] ^= 1;
        assertThrows(RuntimeException.class, () -> CRYPTO.decryptData(both, changed));
        KMS.disableKey(input -> input.keyId(one));
        assertArrayEquals(CONTENT, opened(CRYPTO, both, message));
        KMS.disableKey(input -> input.keyId(two));
        assertThrows(RuntimeException.class, () -> CRYPTO.decryptData(both, message));
    }

    @Test
    void aReplicasKeyringOpensWhatThePrimarysSealed() throws Exception {
        var there = inRegion("us-west-2");
        var key = createKey(input -> input.multiRegion(true));
        KMS.replicateKey(input -> input.keyId(key.keyId()).replicaRegion("us-west-2"));
        var replica = inState(there, key.keyId(), KeyState.ENABLED).arn();
        var primarys = PROVIDERS.CreateAwsKmsMrkKeyring(
                CreateAwsKmsMrkKeyringInput.builder().kmsClient(KMS).kmsKeyId(key.arn()).build());
        var replicas = PROVIDERS.CreateAwsKmsMrkKeyring(
                CreateAwsKmsMrkKeyringInput.builder().kmsClient(there).kmsKeyId(replica).build());
        byte[] message = CRYPTO.encryptData(primarys, CONTENT, CONTEXT).getResult();
        assertArrayEquals(CONTENT, opened(CRYPTO, replicas, message));
        // The same by the master key provider that knows multi-Region keys.
        var discovering = AwsKmsMrkAwareMasterKeyProvider.builder().discoveryMrkRegion(Region.US_WEST_2)
                .buildDiscovery(new DiscoveryFilter("aws", System.getenv("ACCOUNT")));
        assertArrayEquals(CONTENT, CRYPTO.decryptData(discovering, message).getResult());
    }

    private static SdkBytes publicKeyOf(String keyId) {
        return KMS.getPublicKey(input -> input.keyId(keyId)).publicKey();
    }

    @Test
    void keyringsOfAsymmetricKeys() {
        var modulus = createKey(
                input -> input.keySpec(KeySpec.RSA_3072).keyUsage(KeyUsageType.ENCRYPT_DECRYPT)).arn();
        var pem = "-----BEGIN PUBLIC KEY-----\n"
                + Base64.getMimeEncoder().encodeToString(publicKeyOf(modulus).asByteArray())
                + "\n-----END PUBLIC KEY-----\n";
        requireARoundTrip(PROVIDERS.CreateAwsKmsRsaKeyring(CreateAwsKmsRsaKeyringInput.builder().kmsClient(KMS)
                .kmsKeyId(modulus).publicKey(ByteBuffer.wrap(pem.getBytes(StandardCharsets.UTF_8)))
                .encryptionAlgorithm(EncryptionAlgorithmSpec.RSAES_OAEP_SHA_256).build()));

        var ours = agreementKey();
        var theirs = agreementKey();
        requireARoundTrip(PROVIDERS.CreateAwsKmsEcdhKeyring(CreateAwsKmsEcdhKeyringInput.builder().kmsClient(KMS)
                .curveSpec(ECDHCurveSpec.ECC_NIST_P384)
                .KeyAgreementScheme(KmsEcdhStaticConfigurations.builder()
                        .KmsPrivateKeyToStaticPublicKey(KmsPrivateKeyToStaticPublicKeyInput.builder()
                                .senderKmsIdentifier(ours).senderPublicKey(publicKeyOf(ours).asByteBuffer())
                                .recipientPublicKey(publicKeyOf(theirs).asByteBuffer()).build())
                        .build())
                .build()));
    }

    private static String agreementKey() {
        return createKey(input -> input.keySpec(KeySpec.ECC_NIST_P384).keyUsage(KeyUsageType.KEY_AGREEMENT)).arn();
    }

    private static void requireARoundTrip(IKeyring keyring) {
        byte[] message = UNSIGNED.encryptData(keyring, CONTENT, CONTEXT).getResult();
        assertArrayEquals(CONTENT, opened(UNSIGNED, keyring, message));
    }

    @Test
    void masterKeyProvidersStreamAndReadWhatKeyringsWrote() throws Exception {
        var key = createKey().arn();
        MasterKeyProvider<?> strict = KmsMasterKeyProvider.builder().buildStrict(key);
        var written = new ByteArrayOutputStream();
        try (var stream = CRYPTO.createEncryptingStream(strict, written, CONTEXT)) {
            stream.write(CONTENT);
        }
        try (var stream = CRYPTO.createDecryptingStream(
                keyring(key), new ByteArrayInputStream(written.toByteArray()), Map.of())) {
            assertArrayEquals(CONTENT, stream.readAllBytes());
        }
        byte[] message = CRYPTO.encryptData(keyring(key), CONTENT, CONTEXT).getResult();
        assertArrayEquals(CONTENT, CRYPTO.decryptData(strict, message).getResult());
    }
}
