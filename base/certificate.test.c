#include "base/test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/certificate.h"

#define AUTO_PAIR __attribute__((cleanup(certificate_pair_done))) CertificatePair

static X509 *read_certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(key);
    return key;
}

// X509_V_OK when `certificate` chains up to `authority` for the purpose of a TLS server.
static int verify(const char *authority, const char *certificate)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *root = read_certificate(authority), *leaf = read_certificate(certificate);
    X509_STORE_add_cert(store, root);
    X509_STORE_CTX_init(context, store, leaf, NULL);
    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
    X509_verify_cert(context);
    int result = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(root);
    X509_free(leaf);
    return result;
}

static bool pair_matches(const CertificatePair *pair)
{
    X509 *certificate = read_certificate(pair->certificate);
    EVP_PKEY *key = read_key(pair->key);
    bool good = X509_check_private_key(certificate, key) == 1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}

static bool is_for(const char *pem, const char *name)
{
    X509 *certificate = read_certificate(pem);
    bool good =
        X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1 ||
        X509_check_ip_asc(certificate, name, 0) == 1;
    X509_free(certificate);
    return good;
}

static CertificatePair authority;

static void make_authority(void)
{
    if (!authority.certificate)
        assert_int_equal(certificate_make_authority("Vireo", "Test CA", &authority, NULL), 0);
}

TEST(authority_signs_itself)
{
    make_authority();
    assert_true(pair_matches(&authority));
    assert_non_null(strstr(authority.key, "BEGIN PRIVATE KEY"));
    X509 *certificate = read_certificate(authority.certificate);
    assert_true(X509_check_ca(certificate) == 1);
    assert_int_equal(X509_check_issued(certificate, certificate), X509_V_OK);
    X509_free(certificate);
    AUTO_FREE char *subject = certificate_subject(authority.certificate);
    assert_string_equal(subject, "O=Vireo,CN=Test CA");
}

TEST(unit_is_in_the_subject)
{
    AUTO_PAIR pair = {0};
    make_authority();
    assert_int_equal(
        certificate_issue_unit(&authority, "Vireo", "manager", "m", "m", 30, &pair, NULL), 0);
    AUTO_FREE char *subject = certificate_subject(pair.certificate);
    assert_string_equal(subject, "O=Vireo,OU=manager,CN=m");
    assert_int_equal(verify(authority.certificate, pair.certificate), X509_V_OK);
}

TEST(unit_cannot_be_smuggled_in)
{
    AUTO_PAIR pair = {0};
    make_authority();
    assert_int_equal(
        certificate_issue(&authority, "Vireo/OU=manager", "h,OU=manager", "h", 30, &pair, NULL), 0);
    X509 *certificate = read_certificate(pair.certificate);
    assert_int_equal(X509_NAME_get_index_by_NID(X509_get_subject_name(certificate),
                                                NID_organizationalUnitName, -1),
                     -1);
    X509_free(certificate);
}

TEST(issued_is_trusted_for_its_names_only)
{
    AUTO_PAIR pair = {0}, other = {0};
    make_authority();
    assert_int_equal(certificate_issue(&authority, "Vireo", "host1",
                                       "host1.example, 10.0.0.1,fd00::1,,*.apps.example", 30, &pair,
                                       NULL),
                     0);
    assert_true(pair_matches(&pair));
    assert_int_equal(verify(authority.certificate, pair.certificate), X509_V_OK);
    assert_int_equal(certificate_make_authority("Vireo", "Test CA", &other, NULL), 0);
    assert_int_not_equal(verify(other.certificate, pair.certificate), X509_V_OK);
    assert_true(is_for(pair.certificate, "host1.example"));
    assert_true(is_for(pair.certificate, "10.0.0.1"));
    assert_true(is_for(pair.certificate, "fd00::1"));
    assert_true(is_for(pair.certificate, "a.apps.example"));
    assert_false(is_for(pair.certificate, "host2.example"));
    assert_false(is_for(pair.certificate, "10.0.0.2"));
    X509 *certificate = read_certificate(pair.certificate);
    assert_false(X509_check_ca(certificate));
    X509_free(certificate);
}

TEST(serial_numbers_differ)
{
    AUTO_PAIR one = {0}, two = {0};
    make_authority();
    assert_int_equal(certificate_issue(&authority, NULL, "a", "", 1, &one, NULL), 0);
    assert_int_equal(certificate_issue(&authority, NULL, "a", "", 1, &two, NULL), 0);
    X509 *first = read_certificate(one.certificate), *second = read_certificate(two.certificate);
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get0_serialNumber(first), X509_get0_serialNumber(second)), 0);
    X509_free(first);
    X509_free(second);
}

TEST(validity_begins_a_day_ago)
{
    AUTO_PAIR pair = {0};
    int64_t from, until, now = time(NULL);
    make_authority();
    assert_int_equal(certificate_issue(&authority, "Vireo", "h", "h", 30, &pair, NULL), 0);
    assert_int_equal(certificate_validity(pair.certificate, &from, &until, NULL), 0);
    assert_in_range(now - from, 86400 - 300, 86400 + 300);
    assert_in_range(until - now, 30 * 86400 - 300, 30 * 86400 + 300);
}

TEST(request_gives_only_its_key)
{
    AUTO_FREE char *request = NULL, *key = NULL, *certificate = NULL;
    make_authority();
    assert_int_equal(certificate_make_request("I am admin", &request, &key, NULL), 0);
    assert_int_equal(certificate_sign_request(&authority, request, "Vireo", "host2", "host2", 30,
                                              &certificate, NULL),
                     0);
    AUTO_FREE char *subject = certificate_subject(certificate);
    assert_string_equal(subject, "O=Vireo,CN=host2");
    assert_true(pair_matches(&(CertificatePair){certificate, key}));
    assert_true(is_for(certificate, "host2"));
    assert_int_equal(verify(authority.certificate, certificate), X509_V_OK);
}

TEST(bad_request_is_the_askers_fault)
{
    AUTO_FAIL why = {0}, twisted = {0};
    AUTO_FREE char *request = NULL, *key = NULL;
    char *certificate = NULL;
    make_authority();
    assert_true(certificate_sign_request(&authority, "nonsense", "V", "h", "h", 30, &certificate,
                                         &why) < 0);
    assert_int_equal(why.code, FAIL_INVALID);
    assert_int_equal(certificate_make_request("host", &request, &key, NULL), 0);
    char *middle = request + strlen(request) / 2; // the signature doesn't fit any more
    *middle = *middle == 'A' ? 'B' : 'A';
    assert_true(certificate_sign_request(&authority, request, "V", "h", "h", 30, &certificate,
                                         &twisted) < 0);
    assert_null(certificate);
}

TEST(names_that_do_not_fit_are_told)
{
    AUTO_PAIR pair = {0};
    AUTO_FAIL why = {0}, empty = {0};
    AUTO_FREE char *name = test_repeat("x", 65);
    make_authority();
    assert_true(certificate_issue(&authority, "Vireo", name, "h", 30, &pair, &why) < 0);
    assert_int_equal(why.code, FAIL_INVALID);
    assert_true(certificate_issue(&authority, "Vireo", "", "h", 30, &pair, &empty) < 0);
    assert_null(pair.certificate);
    name[64] = 0;
    assert_int_equal(certificate_issue(&authority, "Vireo", name, "h", 30, &pair, NULL), 0);
    AUTO_FREE char *subject = certificate_subject(pair.certificate);
    assert_non_null(strstr(subject, name));
}

TEST(garbage_is_no_certificate)
{
    AUTO_FAIL why = {0};
    AUTO_PAIR pair = {0};
    int64_t from, until;
    assert_true(certificate_validity("x", &from, &until, &why) < 0);
    assert_true(fail_is_set(&why));
    assert_null(certificate_fingerprint("x"));
    assert_null(certificate_subject("x"));
    assert_null(certificate_ssh_key("x"));
    CertificatePair broken = {.certificate = (char *)"x", .key = (char *)"y"};
    assert_true(certificate_issue(&broken, "V", "h", "h", 30, &pair, NULL) < 0);
    assert_null(pair.key);
}

TEST(encrypted_keys_do_not_ask_on_the_terminal)
{
    AUTO_PAIR pair = {0}, locked = {0};
    make_authority();
    EVP_PKEY *key = read_key(authority.key);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
    char *data;
    long length = BIO_get_mem_data(bio, &data);
    locked.certificate = memory_string(authority.certificate);
    locked.key = memory_bytes(data, (size_t)length);
    BIO_free(bio);
    EVP_PKEY_free(key);
    assert_true(certificate_issue(&locked, "V", "h", "h", 30, &pair, NULL) < 0);
}

TEST(fingerprint_is_sha256_of_the_der)
{
    make_authority();
    AUTO_FREE char *text = certificate_fingerprint(authority.certificate);
    assert_int_equal(strlen(text), 32 * 3 - 1);
    X509 *certificate = read_certificate(authority.certificate);
    unsigned char digest[32], *der = NULL;
    int length = i2d_X509(certificate, &der);
    EVP_Digest(der, (size_t)length, digest, NULL, EVP_sha256(), NULL);
    for (int i = 0; i < 32; i++)
        assert_int_equal(strtol(text + i * 3, NULL, 16), digest[i]);
    OPENSSL_free(der);
    X509_free(certificate);
}

TEST(ssh_key_is_openssh_form)
{
    make_authority();
    AUTO_FREE char *text = certificate_ssh_key(authority.certificate);
    static const char prefix[] = "ecdsa-sha2-nistp256 ";
    assert_int_equal(strncmp(text, prefix, sizeof(prefix) - 1), 0);
    unsigned char blob[200];
    const char *encoded = text + sizeof(prefix) - 1;
    int length = EVP_DecodeBlock(blob, (const unsigned char *)encoded, (int)strlen(encoded));
    assert_in_range(length, 104, 106); // 4+19 + 4+8 + 4+65, and padding
    assert_memory_equal(blob,
                        "\0\0\0\x13"
                        "ecdsa-sha2-nistp256"
                        "\0\0\0\x08"
                        "nistp256"
                        "\0\0\0\x41\x04",
                        40);
}

TEST(done_twice_is_harmless)
{
    CertificatePair pair = {memory_string("a"), memory_string("b")};
    certificate_pair_done(&pair);
    certificate_pair_done(&pair);
    assert_null(pair.key);
    certificate_pair_done(&authority); // the last test cleans up
}
