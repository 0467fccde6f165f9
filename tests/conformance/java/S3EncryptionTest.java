package conformance;

import static conformance.Clients.KMS;
import static conformance.Clients.createKey;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3BaseClientBuilder;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.encryption.s3.S3EncryptionClient;
import software.amazon.encryption.s3.S3EncryptionClientException;

/** The Amazon S3 Encryption Client, whose objects are in memory: of S3 there is as much as it needs. */
class S3EncryptionTest {
    private record StoredObject(byte[] body, Map<String, List<String>> metadata) {}

    private static final Map<String, StoredObject> OBJECTS = new ConcurrentHashMap<>();
    private static final String METADATA = "x-amz-meta-";
    private static HttpServer store;

    @BeforeAll
    static void open() throws IOException {
        store = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        store.createContext("/", S3EncryptionTest::answer);
        store.start();
    }

    @AfterAll
    static void close() {
        store.stop(0);
    }

    private static void answer(HttpExchange exchange) throws IOException {
        var path = exchange.getRequestURI().getPath();
        if (exchange.getRequestMethod().equals("PUT")) {
            var metadata = exchange.getRequestHeaders().entrySet().stream()
                    .filter(entry -> entry.getKey().toLowerCase().startsWith(METADATA))
                    .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
            OBJECTS.put(path, new StoredObject(exchange.getRequestBody().readAllBytes(), metadata));
            exchange.sendResponseHeaders(200, -1);
        } else {
            var found = OBJECTS.get(path);
            exchange.getResponseHeaders().putAll(found.metadata());
            exchange.sendResponseHeaders(200, found.body().length);
            exchange.getResponseBody().write(found.body());
        }
        exchange.close();
    }

    private static <B extends S3BaseClientBuilder<B, C>, C> C plain(B builder) {
        return builder.endpointOverride(URI.create("http://localhost:" + store.getAddress().getPort()))
                .forcePathStyle(true)
                .serviceConfiguration(S3Configuration.builder().chunkedEncodingEnabled(false).build())
                .requestChecksumCalculation(RequestChecksumCalculation.WHEN_REQUIRED)
                .responseChecksumValidation(ResponseChecksumValidation.WHEN_REQUIRED)
                .build();
    }

    private static S3EncryptionClient client(String keyArn) {
        return S3EncryptionClient.builderV4().kmsKeyId(keyArn).wrappedClient(plain(S3Client.builder()))
                .wrappedAsyncClient(plain(S3AsyncClient.builder())).build();
    }

    @Test
    void anObjectIsSealedUnderAKeyAndOpensWhileTheKeyIsUsable() {
        var key = createKey().arn();
        byte[] content = "object ".repeat(5000).getBytes(StandardCharsets.UTF_8);
        try (var client = client(key)) {
            client.putObject(input -> input.bucket("bucket").key("one"), RequestBody.fromBytes(content));
            var stored = OBJECTS.get("/bucket/one");
            assertFalse(new String(stored.body(), StandardCharsets.ISO_8859_1).contains("object"));
            assertTrue(stored.metadata().size() > 2, () -> "" + stored.metadata());
            assertArrayEquals(content,
                    client.getObjectAsBytes(input -> input.bucket("bucket").key("one")).asByteArray());
            KMS.disableKey(input -> input.keyId(key));
            var said = assertThrows(S3EncryptionClientException.class,
                    () -> client.getObjectAsBytes(input -> input.bucket("bucket").key("one")));
            assertTrue(said.toString().contains("disabled"), said::toString);
        }
        try (var client = client(createKey().arn())) {
            assertThrows(S3EncryptionClientException.class,
                    () -> client.getObjectAsBytes(input -> input.bucket("bucket").key("one")));
        }
        assertEquals(1, OBJECTS.size());
    }
}
