package conformance;

import static conformance.Clients.KMS;
import static conformance.Clients.assertAround;
import static conformance.Clients.createKey;
import static conformance.Clients.inState;
import static conformance.Clients.refused;
import static conformance.Clients.utf8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.function.Consumer;
import javax.crypto.Cipher;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kms.model.AlgorithmSpec;
import software.amazon.awssdk.services.kms.model.CreateKeyRequest;
import software.amazon.awssdk.services.kms.model.EncryptionAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.ExpirationModelType;
import software.amazon.awssdk.services.kms.model.ImportKeyMaterialRequest;
import software.amazon.awssdk.services.kms.model.IncorrectKeyMaterialException;
import software.amazon.awssdk.services.kms.model.InvalidCiphertextException;
import software.amazon.awssdk.services.kms.model.InvalidImportTokenException;
import software.amazon.awssdk.services.kms.model.KeyMetadata;
import software.amazon.awssdk.services.kms.model.KeySpec;
import software.amazon.awssdk.services.kms.model.KeyState;
import software.amazon.awssdk.services.kms.model.KeyUsageType;
import software.amazon.awssdk.services.kms.model.KmsInvalidStateException;
import software.amazon.awssdk.services.kms.model.OriginType;
import software.amazon.awssdk.services.kms.model.WrappingKeySpec;

class ImportsTest {
    private static final SecureRandom RANDOM = new SecureRandom();

    static byte[] random(int length) {
        byte[] made = new byte[length];
        RANDOM.nextBytes(made);
        return made;
    }

    /** OAEP as KMS has it: javax.crypto's own default would take SHA-1 within MGF1 whatever the digest. */
    static Cipher oaep(int mode, java.security.Key key, String digest) throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
        cipher.init(mode, key,
                new OAEPParameterSpec(digest, "MGF1", new MGF1ParameterSpec(digest), PSource.PSpecified.DEFAULT));
        return cipher;
    }

    /** Key material as an import takes it, wrapped by javax.crypto. */
    private static SdkBytes wrapped(AlgorithmSpec algorithm, SdkBytes publicKey, byte[] material)
            throws GeneralSecurityException {
        PublicKey wrapping =
                KeyFactory.getInstance("RSA").generatePublic(new X509EncodedKeySpec(publicKey.asByteArray()));
        String digest = algorithm.toString().endsWith("SHA_1") ? "SHA-1" : "SHA-256";
        Cipher cipher = oaep(Cipher.ENCRYPT_MODE, wrapping, digest);
        if (!algorithm.toString().startsWith("RSA_AES")) {
            return SdkBytes.fromByteArray(cipher.doFinal(material));
        }
        byte[] ephemeral = random(32);
        Cipher padded = Cipher.getInstance("AES/KWP/NoPadding");
        padded.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(ephemeral, "AES"));
        ByteArrayOutputStream both = new ByteArrayOutputStream();
        both.writeBytes(cipher.doFinal(ephemeral));
        both.writeBytes(padded.doFinal(material));
        return SdkBytes.fromByteArray(both.toByteArray());
    }

    static KeyMetadata importedKey(
            Consumer<CreateKeyRequest.Builder> settings, AlgorithmSpec algorithm, byte[] material) throws Exception {
        var key = createKey(settings.andThen(input -> input.origin(OriginType.EXTERNAL)));
        assertEquals(KeyState.PENDING_IMPORT, key.keyState());
        var parameters = KMS.getParametersForImport(input -> input.keyId(key.keyId())
                .wrappingAlgorithm(algorithm).wrappingKeySpec(WrappingKeySpec.RSA_2048));
        assertAround(Instant.now().plus(1, ChronoUnit.DAYS), parameters.parametersValidTo(), Duration.ofHours(1));
        var sealed = wrapped(algorithm, parameters.publicKey(), material);
        KMS.importKeyMaterial(input -> input.keyId(key.keyId()).importToken(parameters.importToken())
                .encryptedKeyMaterial(sealed)
                .expirationModel(ExpirationModelType.KEY_MATERIAL_DOES_NOT_EXPIRE));
        return inState(KMS, key.keyId(), KeyState.ENABLED);
    }

    @ParameterizedTest
    @EnumSource(value = AlgorithmSpec.class, names = {"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"})
    void importedMaterialIsUsedTakenAwayAndBroughtBack(AlgorithmSpec algorithm) throws Exception {
        var key = importedKey(input -> {}, algorithm, random(32));
        assertEquals(OriginType.EXTERNAL, key.origin());
        assertEquals(ExpirationModelType.KEY_MATERIAL_DOES_NOT_EXPIRE, key.expirationModel());
        var blob = KMS.encrypt(input -> input.keyId(key.keyId()).plaintext(utf8("mine"))).ciphertextBlob();
        KMS.deleteImportedKeyMaterial(input -> input.keyId(key.keyId()));
        refused(KmsInvalidStateException.class, () -> KMS.decrypt(input -> input.ciphertextBlob(blob)));
    }

    @Test
    void importedPrivateKeysAreTheJdksOwn() throws Exception {
        KeyPairGenerator curves = KeyPairGenerator.getInstance("EC");
        curves.initialize(new ECGenParameterSpec("secp521r1"));
        var curve = curves.generateKeyPair();
        var signing = importedKey(input -> input.keySpec(KeySpec.ECC_NIST_P521).keyUsage(KeyUsageType.SIGN_VERIFY),
                AlgorithmSpec.RSA_AES_KEY_WRAP_SHA_256, curve.getPrivate().getEncoded());
        assertArrayEquals(curve.getPublic().getEncoded(),
                KMS.getPublicKey(input -> input.keyId(signing.keyId())).publicKey().asByteArray());

        KeyPairGenerator moduli = KeyPairGenerator.getInstance("RSA");
        moduli.initialize(2048);
        var pair = moduli.generateKeyPair();
        var key = importedKey(input -> input.keySpec(KeySpec.RSA_2048).keyUsage(KeyUsageType.ENCRYPT_DECRYPT),
                AlgorithmSpec.RSA_AES_KEY_WRAP_SHA_1, pair.getPrivate().getEncoded());
        var blob = KMS.encrypt(input -> input.keyId(key.keyId()).plaintext(utf8("there"))
                .encryptionAlgorithm(EncryptionAlgorithmSpec.RSAES_OAEP_SHA_256)).ciphertextBlob();
        assertEquals("there", new String(
                oaep(Cipher.DECRYPT_MODE, pair.getPrivate(), "SHA-256").doFinal(blob.asByteArray())));
    }

    @Test
    void importsOfAnotherKeyOrOfDamagedMaterialAreRefused() throws Exception {
        var key = createKey(input -> input.origin(OriginType.EXTERNAL)).keyId();
        var other = createKey(input -> input.origin(OriginType.EXTERNAL)).keyId();
        var algorithm = AlgorithmSpec.RSAES_OAEP_SHA_256;
        var parameters = KMS.getParametersForImport(
                input -> input.keyId(key).wrappingAlgorithm(algorithm).wrappingKeySpec(WrappingKeySpec.RSA_3072));
        var sealed = wrapped(algorithm, parameters.publicKey(), random(32));
        var until = Instant.now().plus(1, ChronoUnit.HOURS);
        var good = ImportKeyMaterialRequest.builder().keyId(key).importToken(parameters.importToken())
                .encryptedKeyMaterial(sealed).expirationModel(ExpirationModelType.KEY_MATERIAL_EXPIRES)
                .validTo(until).build();
        refused(InvalidImportTokenException.class, () -> KMS.importKeyMaterial(good.toBuilder().keyId(other).build()));
        byte[] damaged = sealed.asByteArray();
        damaged[9] ^= 1;
        refused(InvalidCiphertextException.class, () -> KMS.importKeyMaterial(
                good.toBuilder().encryptedKeyMaterial(SdkBytes.fromByteArray(damaged)).build()));
        var tooShort = wrapped(algorithm, parameters.publicKey(), random(31));
        refused(IncorrectKeyMaterialException.class, () -> KMS.importKeyMaterial(
                good.toBuilder().encryptedKeyMaterial(tooShort).build()));
        KMS.importKeyMaterial(good);
        assertEquals(until.truncatedTo(ChronoUnit.SECONDS),
                inState(KMS, key, KeyState.ENABLED).validTo().truncatedTo(ChronoUnit.SECONDS));
    }
}
