#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/certificate.h"
#include "base/tls.h"

static CertificatePair authority, one, two;

static void make_certificates(void)
{
    if (authority.key)
        return;
    assert_int_equal(certificate_make_authority("T", "CA", &authority, NULL), 0);
    assert_int_equal(certificate_issue(&authority, "T", "one", "one", 1, &one, NULL), 0);
    assert_int_equal(certificate_issue(&authority, "T", "two", "two", 1, &two, NULL), 0);
}

// "CN" of the certificate that a server with this context shows, "" when it can't; `ret_sent` is
// the number of certificates that came with it.
static char *shown(TlsContext *context, int *ret_sent)
{
    char name[64] = "";
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL *left = SSL_new(client), *right = SSL_new(context->ssl);
    BIO *here, *there;
    BIO_new_bio_pair(&here, 0, &there, 0);
    SSL_set_bio(left, here, here);
    SSL_set_bio(right, there, there);
    SSL_set_connect_state(left);
    SSL_set_accept_state(right);
    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(left);
        SSL_do_handshake(right);
    }
    X509 *certificate = SSL_get1_peer_certificate(left);
    if (certificate)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                  sizeof(name));
    if (ret_sent)
        *ret_sent = sk_X509_num(SSL_get_peer_cert_chain(left));
    X509_free(certificate);
    SSL_free(left);
    SSL_free(right);
    SSL_CTX_free(client);
    return memory_string(name);
}

TEST(certificate_is_shown_and_renewed)
{
    make_certificates();
    TlsContext *context =
        tls_context_new(false, one.certificate, one.key, authority.certificate, false, NULL);
    AUTO_FREE char *before = shown(context, NULL);
    assert_string_equal(before, "one");
    assert_int_equal(tls_context_set_certificate(context, two.certificate, two.key, NULL), 0);
    AUTO_FREE char *after = shown(context, NULL);
    assert_string_equal(after, "two");
    tls_context_unref(context);
}

TEST(failed_renewal_keeps_the_old_certificate)
{
    AUTO_FAIL mixed = {0}, garbage = {0};
    make_certificates();
    TlsContext *context = tls_context_new(false, one.certificate, one.key, NULL, false, NULL);
    assert_true(tls_context_set_certificate(context, two.certificate, one.key, &mixed) < 0);
    assert_true(fail_is_set(&mixed));
    AUTO_FREE char *name = shown(context, NULL);
    assert_string_equal(name, "one");
    assert_true(tls_context_set_certificate(context, "x", "y", &garbage) < 0);
    AUTO_FREE char *again = shown(context, NULL);
    assert_string_equal(again, "one");
    tls_context_unref(context);
}

TEST(chain_is_sent_and_renewed)
{
    make_certificates();
    int sent = 0;
    AUTO_FREE char *chain = memory_format("%s%s", one.certificate, authority.certificate);
    TlsContext *context = tls_context_new(false, chain, one.key, NULL, false, NULL);
    AUTO_FREE char *before = shown(context, &sent);
    assert_string_equal(before, "one");
    assert_int_equal(sent, 2);
    assert_int_equal(tls_context_set_certificate(context, two.certificate, two.key, NULL), 0);
    AUTO_FREE char *after = shown(context, &sent);
    assert_string_equal(after, "two");
    assert_int_equal(sent, 1);
    tls_context_unref(context);
}

TEST(useless_files_are_refused)
{
    AUTO_FAIL why = {0}, empty = {0};
    make_certificates();
    assert_null(tls_context_new(false, one.certificate, two.key, NULL, false, &why));
    assert_string_equal(why.message, "The certificate or its key can't be used.");
    assert_null(tls_context_new(true, NULL, NULL, "no PEM here", true, &empty));
    assert_string_equal(empty.message, "No trusted authority was given.");
}

TEST(contexts_are_counted)
{
    TlsContext *context = tls_context_new(true, NULL, NULL, NULL, false, NULL);
    assert_ptr_equal(tls_context_ref(context), context);
    tls_context_unref(context);
    assert_int_equal(context->references, 1);
    tls_context_unref(context);
    tls_context_unref(NULL);
    assert_null(tls_context_ref(NULL));
    certificate_pair_done(&authority);
    certificate_pair_done(&one);
    certificate_pair_done(&two);
}
