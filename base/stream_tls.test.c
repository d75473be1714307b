#include "base/stream_test.h"

#include <openssl/pem.h>

TEST(tls_talk)
{
    Pair pair;
    pair_begin_tls(&pair);
    talk_both_ways(&pair);
}

TEST(tls_backpressure)
{
    Pair pair;
    pair_begin_tls(&pair);
    send_much(&pair);
}

TEST(tls_writes_what_the_socket_takes)
{
    Pair pair;
    pair_begin_tls(&pair);
    write_some(&pair);
}

TEST(tls_input_is_bounded)
{
    Pair pair;
    pair_begin_tls(&pair);
    hold_back(&pair);
}

TEST(bytes_inside_openssl_come_after_a_pause)
{
    Pair pair;
    pair_begin_tls(&pair);
    pair.input_limit = 100; // of a record of 16,000 most stays inside OpenSSL
    pair.server.pause_each = true;
    pair.client.to_send = 16000;
    pair_open(&pair);
    LOOP_UNTIL(&pair.loop, pair.server.got.length == 100);
    for (int i = 0; i < 20; i++)
        uv_run(&pair.loop, UV_RUN_NOWAIT);
    assert_int_equal(pair.server.got.length, 100); // paused is paused
    while (pair.server.got.length < 16000) {
        stream_resume(pair.server.stream);
        uv_run(&pair.loop, UV_RUN_NOWAIT);
    }
    assert_pattern(&pair.server.got, 16000);
    pair_end(&pair);
}

TEST(tls_reset_by_the_peer_is_no_signal)
{
    Pair pair;
    int fd;
    AUTO_FREE char *much = test_repeat("x", 20 << 20);
    make_certificates();
    pair_begin(&pair);
    pair.server_tls = context(false, &server_pair, NULL);
    SSL *ssl = raw_tls(&pair, &fd);
    stream_write(pair.server.stream, much, 20 << 20);
    raw_reset(fd);
    SSL_free(ssl);
    usleep(1000);
    stream_write(pair.server.stream, much, 100);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_true(fail_is_set(&pair.server.why));
    pair_end(&pair);
}

static SSL *raw_tls_begin(Pair *pair, int *ret_fd)
{
    make_certificates();
    pair_begin(pair);
    pair->server_tls = context(false, &server_pair, NULL);
    return raw_tls(pair, ret_fd);
}

TEST(garbage_inside_tls_closes)
{
    Pair pair;
    int fd;
    SSL *ssl = raw_tls_begin(&pair, &fd);
    errno = EAGAIN; // what OpenSSL leaves alone must not be taken for its word
    assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_true(fail_is_set(&pair.server.why));
    assert_non_null(pair.server.why.detail);
    SSL_free(ssl);
    close(fd);
    pair_end(&pair);
}

TEST(tls_cut_without_notice_is_an_end)
{
    Pair pair;
    int fd;
    SSL *ssl = raw_tls_begin(&pair, &fd);
    assert_int_equal(SSL_write(ssl, "bye", 3), 3);
    shutdown(fd, SHUT_WR);
    LOOP_UNTIL(&pair.loop, pair.server.ended);
    assert_string_equal(pair.server.got.data, "bye");
    SSL_free(ssl);
    close(fd);
    pair_end(&pair);
}

TEST(plain_text_is_no_handshake)
{
    Pair pair;
    make_certificates();
    pair_begin(&pair);
    pair.server_tls = context(false, &server_pair, NULL);
    int fd = raw_connect(&pair);
    assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_string_equal(pair.server.why.message, "The TLS handshake failed.");
    assert_int_equal(pair.server.opened, 0);
    close(fd);
    pair_end(&pair);
}

TEST(silent_handshake_times_out)
{
    Pair pair;
    make_certificates();
    pair_begin(&pair);
    pair.server_tls = context(false, &server_pair, NULL);
    hasten = 100;
    int fd = raw_connect(&pair);
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    hasten = 1;
    assert_string_equal(pair.server.why.message,
                        "The peer did not finish the TLS handshake in time.");
    close(fd);
    pair_end(&pair);
}

TEST(mutual_tls_knows_the_peer)
{
    Pair pair;
    pair_begin_tls(&pair);
    pair_connect(&pair, "server.example");
    LOOP_UNTIL(&pair.loop, pair.client.opened && pair.server.opened);
    AUTO_FREE char *client = stream_peer_name(pair.server.stream);
    AUTO_FREE char *server = stream_peer_name(pair.client.stream);
    assert_string_equal(client, "client");
    assert_string_equal(server, "server");
    AUTO_FREE char *unit = stream_peer_unit(pair.server.stream);
    assert_string_equal(unit, "unit");
    assert_null(stream_peer_unit(pair.client.stream));
    assert_false(stream_peer_is_self(pair.server.stream));
    stream_keep_alive(pair.server.stream);
    pair_end(&pair);
}

TEST(own_certificate_is_known)
{
    Pair pair;
    pair_begin_tls(&pair);
    assert_int_equal(tls_context_set_certificate(pair.client_tls, server_pair.certificate,
                                                 server_pair.key, NULL),
                     0);
    pair_connect(&pair, "server.example");
    LOOP_UNTIL(&pair.loop, pair.client.opened && pair.server.opened);
    assert_true(stream_peer_is_self(pair.server.stream));
    assert_true(stream_peer_is_self(pair.client.stream));
    pair_end(&pair);
}

TEST(address_as_name)
{
    Pair pair;
    pair_begin_tls(&pair);
    pair_connect(&pair, "127.0.0.1");
    LOOP_UNTIL(&pair.loop, pair.client.opened);
    pair_end(&pair);
}

static void assert_client_refuses(const char *name, const CertificatePair *trust, const char *words)
{
    Pair pair;
    pair_begin_tls(&pair);
    tls_context_unref(pair.client_tls);
    pair.client_tls = context(true, &client_pair, trust);
    pair_connect(&pair, name);
    LOOP_UNTIL(&pair.loop, pair.client.closed);
    assert_int_equal(pair.client.opened, 0);
    assert_string_equal(pair.client.why.message, "The TLS handshake failed.");
    if (!strstr(pair.client.why.detail, words))
        fail_msg("%s", pair.client.why.detail);
    pair_end(&pair);
}

TEST(wrong_server_is_refused)
{
    make_certificates();
    assert_client_refuses("other.example", &authority, "ostname mismatch");
    assert_client_refuses("127.0.0.2", &authority, "IP address mismatch");
    assert_client_refuses("server.example", &stranger, "certificate");
}

static void assert_server_refuses(const CertificatePair *offered, const char *words)
{
    Pair pair;
    pair_begin_tls(&pair);
    tls_context_unref(pair.client_tls);
    pair.client_tls = context(true, offered, &authority);
    pair_connect(&pair, "server.example");
    LOOP_UNTIL(&pair.loop, pair.server.closed);
    assert_int_equal(pair.server.opened, 0);
    if (!strstr(pair.server.why.detail, words))
        fail_msg("%s", pair.server.why.detail);
    LOOP_UNTIL(&pair.loop, pair.client.closed || pair.client.ended);
    if (pair.client.closed) { // the alert has arrived, and it says why
        assert_true(fail_is_set(&pair.client.why));
        assert_non_null(pair.client.why.detail);
    }
    pair_end(&pair);
}

TEST(wrong_client_is_refused)
{
    make_certificates();
    assert_server_refuses(NULL, "peer did not return a certificate");
    assert_server_refuses(&strange_pair, "certificate");
}

TEST(common_name_with_a_nul_is_none)
{
    Pair pair;
    pair_begin_tls(&pair);
    BIO *bio = BIO_new_mem_buf(client_pair.certificate, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bio = BIO_new_mem_buf(authority.key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_UTF8STRING, (const unsigned char *)"admin\0x", 7,
                               -1, 0);
    X509_set_subject_name(certificate, name);
    X509_NAME_free(name);
    X509_sign(certificate, key, EVP_sha256());
    char *pem;
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    long length = BIO_get_mem_data(bio, &pem);
    AUTO_FREE char *forged = memory_bytes(pem, (size_t)length);
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    assert_int_equal(tls_context_set_certificate(pair.client_tls, forged, client_pair.key, NULL),
                     0);
    pair_open(&pair);
    assert_null(stream_peer_name(pair.server.stream));
    assert_null(stream_peer_unit(pair.server.stream));
    pair_end(&pair);
}

TEST(certificates_are_given_back)
{
    drop_certificates();
}
