package conformance;

import static conformance.EncryptionSdkTest.CONTENT;
import static conformance.EncryptionSdkTest.CONTEXT;
import static conformance.EncryptionSdkTest.CRYPTO;

import com.amazonaws.encryptionsdk.kmssdkv2.KmsMasterKeyProvider;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/**
 * The AWS Encryption SDK. Argument: a key ARN. Standard input: a message made elsewhere, in Base64. Standard
 * output: one line with what was in that message, and one with a message made here, in Base64.
 */
final class Envelopes {
    private Envelopes() {}

    public static void main(String[] arguments) throws Exception {
        var provider = KmsMasterKeyProvider.builder().buildStrict(arguments[0]);
        byte[] message = Base64.getDecoder().decode(System.in.readAllBytes());
        System.out.println(new String(CRYPTO.decryptData(provider, message).getResult(), StandardCharsets.UTF_8));
        byte[] made = CRYPTO.encryptData(provider, CONTENT, CONTEXT).getResult();
        System.out.println(Base64.getEncoder().encodeToString(made));
    }
}
