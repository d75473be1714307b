#include "base/stream.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/tls.h"

// Two records fit. OpenSSL moves what is behind each record to the front: with eight in the buffer
// most of the work would be that.
enum { READ_BUFFER_BYTES = 33 * 1024 };

static int tls_fail(Fail *why, const char *what)
{
    char text[256] = "";
    unsigned long code = ERR_get_error();
    if (code)
        ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    int result = fail_set(why, FAIL_INTERNAL, "%s", what);
    if (*text)
        fail_detail(why, "%s", text);
    return result;
}

// What follows the first certificate: those of the authorities between it and the root.
static void tls_set_chain(SSL_CTX *ssl, BIO *bio)
{
    SSL_CTX_clear_chain_certs(ssl);
    for (X509 *between; (between = PEM_read_bio_X509(bio, NULL, NULL, NULL));)
        SSL_CTX_add0_chain_cert(ssl, between);
    ERR_clear_error(); // the end of the file is reported as an error
}

int tls_context_set_certificate(TlsContext *context, const char *certificate, const char *key,
                                Fail *why)
{
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(certificate, -1), *key_bio = BIO_new_mem_buf(key, -1);
    X509 *parsed = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    // An empty password, or OpenSSL asks for one on the terminal.
    EVP_PKEY *parsed_key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, (void *)"");
    // Compared first: a pair that doesn't match must leave the old one in its place.
    bool good = parsed && parsed_key && X509_check_private_key(parsed, parsed_key) == 1 &&
                SSL_CTX_use_certificate(context->ssl, parsed) == 1 &&
                SSL_CTX_use_PrivateKey(context->ssl, parsed_key) == 1;
    if (good)
        tls_set_chain(context->ssl, bio);
    X509_free(parsed);
    EVP_PKEY_free(parsed_key);
    BIO_free(bio);
    BIO_free(key_bio);
    return good ? 0 : tls_fail(why, "The certificate or its key can't be used.");
}

static bool tls_trust(SSL_CTX *ssl, const char *authority)
{
    BIO *bio = BIO_new_mem_buf(authority, -1);
    X509_STORE *store = SSL_CTX_get_cert_store(ssl);
    int count = 0;
    for (X509 *certificate; (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)); count++) {
        X509_STORE_add_cert(store, certificate);
        SSL_CTX_add_client_CA(ssl, certificate);
        X509_free(certificate);
    }
    ERR_clear_error(); // the end of the file is reported as an error
    BIO_free(bio);
    return count > 0;
}

TlsContext *tls_context_new(bool client, const char *certificate, const char *key,
                            const char *authority, bool require_peer, Fail *why)
{
    static const unsigned char session_id[] = "vireo";
    signal(SIGPIPE, SIG_IGN); // OpenSSL writes without MSG_NOSIGNAL
    SSL_CTX *ssl = SSL_CTX_new(client ? TLS_client_method() : TLS_server_method());
    if (!ssl) {
        tls_fail(why, "TLS could not be set up.");
        return NULL;
    }
    TlsContext *context = NEW(TlsContext);
    *context = (TlsContext){.ssl = ssl, .references = 1, .client = client};
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    // A fifth less work than AES-256 for long lists and images. Clients whose processor has no AES
    // ask for ChaCha20 first and get it.
    SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                  "TLS_CHACHA20_POLY1305_SHA256");
    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    // Without these three OpenSSL keeps 34 KiB per idle connection and fails on moved buffers.
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    // Clients such as libcurl and QEMU drop the connection without a close notice.
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_NO_COMPRESSION);
    // Tickets come unasked, and closing before one was read resets the connection. What they save,
    // a signature of P-256, is not worth it.
    SSL_CTX_set_num_tickets(ssl, 0);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_default_read_buffer_len(ssl, READ_BUFFER_BYTES);
    SSL_CTX_set_session_id_context(ssl, session_id, sizeof(session_id) - 1);
    if (require_peer)
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if ((certificate && tls_context_set_certificate(context, certificate, key, why) < 0) ||
        (authority && !tls_trust(ssl, authority) &&
         tls_fail(why, "No trusted authority was given."))) {
        tls_context_unref(context);
        return NULL;
    }
    return context;
}

TlsContext *tls_context_ref(TlsContext *context)
{
    if (context)
        context->references++;
    return context;
}

void tls_context_unref(TlsContext *context)
{
    if (!context || --context->references)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}
