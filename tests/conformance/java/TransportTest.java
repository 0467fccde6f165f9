package conformance;

import static conformance.Clients.createKey;
import static conformance.Clients.utf8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.http.SdkHttpClient;
import software.amazon.awssdk.http.TlsTrustManagersProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.services.kms.KmsAsyncClient;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.kms.model.InvalidCiphertextException;

class TransportTest {
    /** Trust in the server's authority alone, or in nobody else's than the JDK's. */
    private static TlsTrustManagersProvider trust(Path authority) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        if (authority == null) {
            try (InputStream jdk = Files.newInputStream(
                    Path.of(System.getProperty("java.home"), "lib", "security", "cacerts"))) {
                trusted.load(jdk, null);
            }
        } else {
            try (InputStream pem = Files.newInputStream(authority)) {
                trusted.setCertificateEntry(
                        "strongroom", CertificateFactory.getInstance("X.509").generateCertificate(pem));
            }
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(trusted);
        return factory::getTrustManagers;
    }

    private static final Path AUTHORITY = Path.of(System.getenv("SSL_CERT_FILE"));

    @Test
    void apacheTrustsAndDistrusts() throws Exception {
        trustsAndDistrusts(Apache5HttpClient.builder().tlsTrustManagersProvider(trust(AUTHORITY)),
                Apache5HttpClient.builder().tlsTrustManagersProvider(trust(null)));
    }

    @Test
    void urlConnectionTrustsAndDistrusts() throws Exception {
        trustsAndDistrusts(UrlConnectionHttpClient.builder().tlsTrustManagersProvider(trust(AUTHORITY)),
                UrlConnectionHttpClient.builder().tlsTrustManagersProvider(trust(null)));
    }

    private static void trustsAndDistrusts(SdkHttpClient.Builder<?> trusting, SdkHttpClient.Builder<?> distrusting) {
        try (var client = KmsClient.builder().httpClientBuilder(trusting).build()) {
            client.listKeys();
        }
        try (var client = KmsClient.builder().httpClientBuilder(distrusting).build()) {
            var said = assertThrows(SdkClientException.class, client::listKeys);
            assertInstanceOf(SSLHandshakeException.class, said.getCause());
        }
    }

    @Test
    void nettyTrustsAndDistrusts() throws Exception {
        try (var client = KmsAsyncClient.builder().httpClientBuilder(
                NettyNioAsyncHttpClient.builder().tlsTrustManagersProvider(trust(AUTHORITY))).build()) {
            client.listKeys().join();
        }
        try (var client = KmsAsyncClient.builder().httpClientBuilder(
                NettyNioAsyncHttpClient.builder().tlsTrustManagersProvider(trust(null))).build()) {
            var said = assertThrows(CompletionException.class, client.listKeys()::join);
            assertInstanceOf(SdkClientException.class, said.getCause());
            assertInstanceOf(SSLHandshakeException.class, said.getCause().getCause().getCause());
        }
    }

    static Stream<SdkHttpClient.Builder<?>> blockingClients() {
        return Stream.of(Apache5HttpClient.builder(), UrlConnectionHttpClient.builder());
    }

    @ParameterizedTest
    @MethodSource("blockingClients")
    void manyThreadsShareAClient(SdkHttpClient.Builder<?> http) throws Exception {
        var key = createKey().keyId();
        var threads = Executors.newFixedThreadPool(20);
        try (var client = KmsClient.builder().httpClientBuilder(http).build()) {
            Stream<Callable<String>> calls = IntStream.range(0, 200).mapToObj(n -> () -> {
                var context = Map.of("call", "" + n);
                var blob = client.encrypt(input -> input.keyId(key).plaintext(utf8("plaintext " + n))
                        .encryptionContext(context)).ciphertextBlob();
                return client.decrypt(input -> input.ciphertextBlob(blob).encryptionContext(context))
                        .plaintext().asUtf8String();
            });
            var opened = threads.invokeAll(calls.toList());
            for (int n = 0; n < 200; n++) {
                assertEquals("plaintext " + n, opened.get(n).get());
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void manyCallsAtOnceOfTheAsyncClient() {
        try (var client = KmsAsyncClient.builder().httpClientBuilder(NettyNioAsyncHttpClient.builder()
                .maxConcurrency(50).maxPendingConnectionAcquires(400)).build()) {
            var key = client.createKey().join().keyMetadata().keyId();
            var opened = IntStream.range(0, 200).mapToObj(n -> {
                var context = Map.of("call", "" + n);
                return client.encrypt(input -> input.keyId(key).plaintext(utf8("plaintext " + n))
                                .encryptionContext(context))
                        .thenCompose(sealed -> client.decrypt(
                                input -> input.ciphertextBlob(sealed.ciphertextBlob()).encryptionContext(context)))
                        .thenApply(answer -> answer.plaintext().asUtf8String());
            }).toList();
            CompletableFuture.allOf(opened.toArray(CompletableFuture[]::new)).join();
            for (int n = 0; n < 200; n++) {
                assertEquals("plaintext " + n, opened.get(n).join());
            }

            var blob = client.encrypt(input -> input.keyId(key).plaintext(utf8("x"))).join().ciphertextBlob();
            var said = assertThrows(CompletionException.class, () -> client.decrypt(
                    input -> input.ciphertextBlob(blob).encryptionContext(Map.of("tenant", "rot"))).join());
            assertInstanceOf(InvalidCiphertextException.class, said.getCause());
            var seen = new ConcurrentLinkedQueue<String>();
            client.listKeysPaginator(input -> input.limit(1)).keys().subscribe(entry -> seen.add(entry.keyId())).join();
            assertTrue(seen.contains(key));
            assertEquals(seen.size(), seen.stream().distinct().count());
        }
    }
}
