package conformance;

import static conformance.Clients.KMS;
import static conformance.Clients.createKey;
import static conformance.Clients.refused;
import static conformance.Clients.utf8;
import static conformance.ImportsTest.importedKey;
import static conformance.ImportsTest.oaep;
import static conformance.ImportsTest.random;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.AlgorithmParameterSpec;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.EdDSAParameterSpec;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.KeyGenerator;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.jcajce.SecretKeyWithEncapsulation;
import org.bouncycastle.jcajce.spec.KEMGenerateSpec;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kms.model.AlgorithmSpec;
import software.amazon.awssdk.services.kms.model.EncapsulationAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.EncryptionAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.InvalidCiphertextException;
import software.amazon.awssdk.services.kms.model.InvalidKeyUsageException;
import software.amazon.awssdk.services.kms.model.KeyAgreementAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.KeySpec;
import software.amazon.awssdk.services.kms.model.KeyUsageType;
import software.amazon.awssdk.services.kms.model.KmsInvalidMacException;
import software.amazon.awssdk.services.kms.model.KmsInvalidSignatureException;
import software.amazon.awssdk.services.kms.model.MacAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.MessageType;
import software.amazon.awssdk.services.kms.model.SigningAlgorithmSpec;
import software.amazon.awssdk.services.kms.model.VerifyRequest;

class AsymmetricTest {
    /** For what this JDK lacks: secp256k1, ML-DSA, ML-KEM. */
    private static final BouncyCastleProvider BOUNCY_CASTLE = new BouncyCastleProvider();

    private static final SdkBytes MESSAGE = utf8("signed for Java");

    private static byte[] publicKeyOf(String keyId) {
        return KMS.getPublicKey(input -> input.keyId(keyId)).publicKey().asByteArray();
    }

    private static PublicKey publicKeyOf(String keyId, KeyFactory factory) throws GeneralSecurityException {
        return factory.generatePublic(new X509EncodedKeySpec(publicKeyOf(keyId)));
    }

    /** A signature, which the server verifies and does not take for that of another message. */
    private static byte[] sign(String keyId, SigningAlgorithmSpec algorithm, SdkBytes message, MessageType type) {
        var made = KMS.sign(
                input -> input.keyId(keyId).message(message).messageType(type).signingAlgorithm(algorithm));
        var question = VerifyRequest.builder().keyId(keyId).message(message).messageType(type)
                .signature(made.signature()).signingAlgorithm(algorithm).build();
        assertTrue(KMS.verify(question).signatureValid());
        byte[] other = message.asByteArray();
        other[0] ^= 1;
        refused(KmsInvalidSignatureException.class,
                () -> KMS.verify(question.toBuilder().message(SdkBytes.fromByteArray(other)).build()));
        return made.signature().asByteArray();
    }

    private static void requireSignature(
            Signature verifier, AlgorithmParameterSpec parameters, PublicKey key, byte[] message, byte[] signature)
            throws GeneralSecurityException {
        verifier.initVerify(key);
        if (parameters != null) {
            verifier.setParameter(parameters);
        }
        verifier.update(message);
        assertTrue(verifier.verify(signature));
    }

    @ParameterizedTest
    @CsvSource({
        "RSA_2048, RSA, RSASSA_PKCS1_V1_5_SHA_256, SHA256withRSA, SHA-256",
        "RSA_3072, RSA, RSASSA_PKCS1_V1_5_SHA_512, SHA512withRSA, SHA-512",
        "RSA_2048, RSA, RSASSA_PSS_SHA_256, RSASSA-PSS, SHA-256",
        "RSA_4096, RSA, RSASSA_PSS_SHA_384, RSASSA-PSS, SHA-384",
        "ECC_NIST_P256, EC, ECDSA_SHA_256, SHA256withECDSA, SHA-256",
        "ECC_NIST_P384, EC, ECDSA_SHA_384, SHA384withECDSA, SHA-384",
        "ECC_NIST_P521, EC, ECDSA_SHA_512, SHA512withECDSA, SHA-512",
    })
    void signaturesVerifyInTheJdk(
            String spec, String family, SigningAlgorithmSpec algorithm, String scheme, String digest)
            throws Exception {
        var keyId = createKey(input -> input.keySpec(spec).keyUsage(KeyUsageType.SIGN_VERIFY)).keyId();
        PublicKey key = publicKeyOf(keyId, KeyFactory.getInstance(family));
        MessageDigest hash = MessageDigest.getInstance(digest);
        var parameters = !scheme.equals("RSASSA-PSS") ? null
                : new PSSParameterSpec(digest, "MGF1", new MGF1ParameterSpec(digest), hash.getDigestLength(), 1);
        var digested = SdkBytes.fromByteArray(hash.digest(MESSAGE.asByteArray()));
        for (byte[] signature : new byte[][] {
            sign(keyId, algorithm, MESSAGE, MessageType.RAW), sign(keyId, algorithm, digested, MessageType.DIGEST)
        }) {
            requireSignature(Signature.getInstance(scheme), parameters, key, MESSAGE.asByteArray(), signature);
        }
    }

    @Test
    void secp256k1VerifiesInBouncyCastle() throws Exception {
        var keyId = createKey(
                input -> input.keySpec(KeySpec.ECC_SECG_P256_K1).keyUsage(KeyUsageType.SIGN_VERIFY)).keyId();
        requireSignature(Signature.getInstance("SHA256withECDSA", BOUNCY_CASTLE), null,
                publicKeyOf(keyId, KeyFactory.getInstance("EC", BOUNCY_CASTLE)), MESSAGE.asByteArray(),
                sign(keyId, SigningAlgorithmSpec.ECDSA_SHA_256, MESSAGE, MessageType.RAW));
    }

    @Test
    void edwardsSignaturesVerifyInTheJdk() throws Exception {
        var keyId = createKey(
                input -> input.keySpec(KeySpec.ECC_NIST_EDWARDS25519).keyUsage(KeyUsageType.SIGN_VERIFY)).keyId();
        PublicKey key = publicKeyOf(keyId, KeyFactory.getInstance("Ed25519"));
        requireSignature(Signature.getInstance("Ed25519"), null, key, MESSAGE.asByteArray(),
                sign(keyId, SigningAlgorithmSpec.ED25519_SHA_512, MESSAGE, MessageType.RAW));
        // KMS hashes the digest that it is given once more (Sign in the API reference, MessageType).
        byte[] digest = MessageDigest.getInstance("SHA-512").digest(MESSAGE.asByteArray());
        requireSignature(Signature.getInstance("Ed25519"), new EdDSAParameterSpec(true), key, digest,
                sign(keyId, SigningAlgorithmSpec.ED25519_PH_SHA_512, SdkBytes.fromByteArray(digest), MessageType.DIGEST));
    }

    @ParameterizedTest
    @ValueSource(strings = {"ML_DSA_44", "ML_DSA_65", "ML_DSA_87"})
    void latticeSignaturesVerifyInBouncyCastle(String spec) throws Exception {
        var keyId = createKey(input -> input.keySpec(spec).keyUsage(KeyUsageType.SIGN_VERIFY)).keyId();
        requireSignature(Signature.getInstance("ML-DSA", BOUNCY_CASTLE), null,
                publicKeyOf(keyId, KeyFactory.getInstance("ML-DSA", BOUNCY_CASTLE)), MESSAGE.asByteArray(),
                sign(keyId, SigningAlgorithmSpec.ML_DSA_SHAKE_256, MESSAGE, MessageType.RAW));
    }

    @Test
    void rsaEncryptsInTheJdkAndDecryptsInTheServer() throws Exception {
        var keyId = createKey(
                input -> input.keySpec(KeySpec.RSA_2048).keyUsage(KeyUsageType.ENCRYPT_DECRYPT)).keyId();
        PublicKey key = publicKeyOf(keyId, KeyFactory.getInstance("RSA"));
        var sealed = SdkBytes.fromByteArray(
                oaep(Cipher.ENCRYPT_MODE, key, "SHA-256").doFinal("offline".getBytes()));
        assertEquals("offline", KMS.decrypt(input -> input.keyId(keyId).ciphertextBlob(sealed)
                .encryptionAlgorithm(EncryptionAlgorithmSpec.RSAES_OAEP_SHA_256)).plaintext().asUtf8String());
        refused(InvalidCiphertextException.class, () -> KMS.decrypt(input -> input.keyId(keyId).ciphertextBlob(sealed)
                .encryptionAlgorithm(EncryptionAlgorithmSpec.RSAES_OAEP_SHA_1)));
        refused(InvalidKeyUsageException.class, () -> KMS.sign(input -> input.keyId(keyId).message(MESSAGE)
                .signingAlgorithm(SigningAlgorithmSpec.RSASSA_PSS_SHA_256)));
    }

    @Test
    void sharedSecretsAreThoseOfTheJdk() throws Exception {
        var keyId = createKey(
                input -> input.keySpec(KeySpec.ECC_NIST_P384).keyUsage(KeyUsageType.KEY_AGREEMENT)).keyId();
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp384r1"));
        var ours = generator.generateKeyPair();
        KeyAgreement agreement = KeyAgreement.getInstance("ECDH");
        agreement.init(ours.getPrivate());
        agreement.doPhase(publicKeyOf(keyId, KeyFactory.getInstance("EC")), true);
        var derived = KMS.deriveSharedSecret(input -> input.keyId(keyId)
                .keyAgreementAlgorithm(KeyAgreementAlgorithmSpec.ECDH)
                .publicKey(SdkBytes.fromByteArray(ours.getPublic().getEncoded())));
        assertArrayEquals(agreement.generateSecret(), derived.sharedSecret().asByteArray());
    }

    @ParameterizedTest
    @ValueSource(strings = {"ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"})
    void theServerDecapsulatesWhatBouncyCastleEncapsulates(String spec) throws Exception {
        var keyId = createKey(
                input -> input.keySpec(spec).keyUsage(KeyUsageType.ENCAPSULATE_DECAPSULATE)).keyId();
        PublicKey key = publicKeyOf(keyId, KeyFactory.getInstance("ML-KEM", BOUNCY_CASTLE));
        KeyGenerator kem = KeyGenerator.getInstance("ML-KEM", BOUNCY_CASTLE);
        kem.init(new KEMGenerateSpec.Builder(key, "AES", 256).withNoKdf().build());
        var made = (SecretKeyWithEncapsulation) kem.generateKey();
        var opened = KMS.decapsulate(input -> input.keyId(keyId)
                .sharedSecretCiphertextBlob(SdkBytes.fromByteArray(made.getEncapsulation()))
                .encapsulationAlgorithm(EncapsulationAlgorithmSpec.ML_KEM));
        assertArrayEquals(made.getEncoded(), opened.sharedSecret().asByteArray());
    }

    @ParameterizedTest
    @CsvSource({
        "HMAC_224, HMAC_SHA_224, HmacSHA224, 28", "HMAC_256, HMAC_SHA_256, HmacSHA256, 32",
        "HMAC_384, HMAC_SHA_384, HmacSHA384, 48", "HMAC_512, HMAC_SHA_512, HmacSHA512, 64",
    })
    void macsAreThoseOfTheJdk(String spec, MacAlgorithmSpec algorithm, String name, int length) throws Exception {
        byte[] material = random(length);
        var keyId = importedKey(input -> input.keySpec(spec).keyUsage(KeyUsageType.GENERATE_VERIFY_MAC),
                AlgorithmSpec.RSAES_OAEP_SHA_256, material).keyId();
        var made = KMS.generateMac(input -> input.keyId(keyId).message(MESSAGE).macAlgorithm(algorithm)).mac();
        Mac here = Mac.getInstance(name);
        here.init(new SecretKeySpec(material, name));
        assertArrayEquals(here.doFinal(MESSAGE.asByteArray()), made.asByteArray());
        assertTrue(KMS.verifyMac(
                input -> input.keyId(keyId).message(MESSAGE).mac(made).macAlgorithm(algorithm)).macValid());
        refused(KmsInvalidMacException.class, () -> KMS.verifyMac(
                input -> input.keyId(keyId).message(utf8("another")).mac(made).macAlgorithm(algorithm)));
    }
}
