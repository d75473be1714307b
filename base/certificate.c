#include "base/certificate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/strbuf.h"

DEFINE_AUTO(X509, X509)
DEFINE_AUTO(X509_REQ, X509_REQ)
DEFINE_AUTO(EVP_PKEY, EVP_PKEY)

void certificate_pair_done(CertificatePair *pair)
{
    free(pair->certificate);
    if (pair->key)
        OPENSSL_cleanse(pair->key, strlen(pair->key));
    free(pair->key);
    *pair = (CertificatePair){0};
}

static int certificate_fail(Fail *why, const char *what)
{
    char text[256] = "";
    unsigned long code = ERR_get_error();
    if (code)
        ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    fail_set(why, FAIL_INTERNAL, "%s", what);
    if (*text)
        fail_detail(why, "%s", text);
    return fail_to_errno(FAIL_INTERNAL);
}

static char *bio_take(BIO *bio)
{
    char *data;
    long length = BIO_get_mem_data(bio, &data);
    char *copy = memory_bytes(data, (size_t)length);
    BIO_free(bio);
    return copy;
}

static char *pem_of_certificate(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    return bio_take(bio);
}

static char *pem_of_key(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return bio_take(bio);
}

static X509 *certificate_parse(const char *pem)
{
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return certificate;
}

static EVP_PKEY *key_parse(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    // An empty password, or OpenSSL asks for one on the terminal.
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"");
    BIO_free(bio);
    return key;
}

static bool certificate_name_add(X509_NAME *name, const char *member, const char *value)
{
    return !value || X509_NAME_add_entry_by_txt(name, member, MBSTRING_UTF8,
                                                (const unsigned char *)value, -1, -1, 0);
}

// Organization and unit may be NULL.
static X509_NAME *certificate_name(const char *organization, const char *unit,
                                   const char *common_name, Fail *why)
{
    X509_NAME *name = X509_NAME_new();
    if (certificate_name_add(name, "O", organization) && certificate_name_add(name, "OU", unit) &&
        certificate_name_add(name, "CN", common_name))
        return name;
    X509_NAME_free(name);
    ERR_clear_error();
    fail_set(why, FAIL_INVALID, "A certificate can't be made for the name \"%s\" of \"%s\".",
             common_name, organization ? organization : "");
    fail_hint(why, "Names in certificates have 1 to 64 characters.");
    return NULL;
}

static void certificate_set_serial(X509 *certificate)
{
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        abort();
    bytes[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
}

static bool certificate_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!extension)
        return false;
    bool good = X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

// "IP:10.0.0.1,DNS:host" out of "10.0.0.1,host".
static char *certificate_alternatives(const char *names)
{
    AUTO_STRBUF text = {0};
    AUTO_FREE char *copy = memory_string(names);
    char *rest = copy;
    for (char *name; (name = strsep(&rest, ","));) {
        struct in6_addr address;
        name += strspn(name, " ");
        if (!*name)
            continue;
        bool ip =
            inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
        strbuf_addf(&text, "%s%s:%s", text.length ? "," : "", ip ? "IP" : "DNS", name);
    }
    return strbuf_take(&text);
}

static X509 *certificate_begin(X509_NAME *subject, X509_NAME *issuer, EVP_PKEY *key, int days)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    certificate_set_serial(certificate);
    X509_set_subject_name(certificate, subject);
    X509_set_issuer_name(certificate, issuer);
    X509_set_pubkey(certificate, key);
    // A day of grace: hosts whose clocks are behind must accept it at once.
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
    X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, NULL);
    return certificate;
}

int certificate_make_authority(const char *organization, const char *name, CertificatePair *ret,
                               Fail *why)
{
    AUTO(EVP_PKEY) EVP_PKEY *key = EVP_EC_gen("P-256");
    if (!key)
        return certificate_fail(why, "A key for the certificate authority could not be made.");
    X509_NAME *subject = certificate_name(organization, NULL, name, why);
    if (!subject)
        return -EINVAL;
    AUTO(X509) X509 *certificate = certificate_begin(subject, subject, key, 3650);
    X509_NAME_free(subject);
    if (!certificate_extend(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE") ||
        !certificate_extend(certificate, certificate, NID_key_usage,
                            "critical,keyCertSign,cRLSign") ||
        !certificate_extend(certificate, certificate, NID_subject_key_identifier, "hash") ||
        !X509_sign(certificate, key, EVP_sha256()))
        return certificate_fail(why, "The certificate authority could not be made.");
    *ret = (CertificatePair){pem_of_certificate(certificate), pem_of_key(key)};
    return 0;
}

static int certificate_sign(const CertificatePair *authority, EVP_PKEY *key,
                            const char *organization, const char *unit, const char *common_name,
                            const char *names, int days, char **ret_certificate, Fail *why)
{
    AUTO(X509) X509 *issuer = certificate_parse(authority->certificate);
    AUTO(EVP_PKEY) EVP_PKEY *issuer_key = key_parse(authority->key);
    if (!issuer || !issuer_key)
        return certificate_fail(why, "The certificate authority's files can't be read.");
    X509_NAME *subject = certificate_name(organization, unit, common_name, why);
    if (!subject)
        return -EINVAL;
    X509_NAME *signer = X509_get_subject_name(issuer);
    AUTO(X509) X509 *certificate = certificate_begin(subject, signer, key, days);
    X509_NAME_free(subject);
    AUTO_FREE char *alternatives = certificate_alternatives(names);
    if (!certificate_extend(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
        !certificate_extend(certificate, issuer, NID_key_usage,
                            "critical,digitalSignature,keyEncipherment") ||
        !certificate_extend(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth") ||
        !certificate_extend(certificate, issuer, NID_subject_key_identifier, "hash") ||
        !certificate_extend(certificate, issuer, NID_authority_key_identifier, "keyid") ||
        (*alternatives &&
         !certificate_extend(certificate, issuer, NID_subject_alt_name, alternatives)) ||
        !X509_sign(certificate, issuer_key, EVP_sha256()))
        return certificate_fail(why, "A certificate could not be signed.");
    *ret_certificate = pem_of_certificate(certificate);
    return 0;
}

int certificate_issue_unit(const CertificatePair *authority, const char *organization,
                           const char *unit, const char *common_name, const char *names, int days,
                           CertificatePair *ret, Fail *why)
{
    AUTO(EVP_PKEY) EVP_PKEY *key = EVP_EC_gen("P-256");
    if (!key)
        return certificate_fail(why, "A key could not be made.");
    CertificatePair pair = {0};
    int result = certificate_sign(authority, key, organization, unit, common_name, names, days,
                                  &pair.certificate, why);
    if (result)
        return result;
    pair.key = pem_of_key(key);
    *ret = pair;
    return 0;
}

int certificate_issue(const CertificatePair *authority, const char *organization,
                      const char *common_name, const char *names, int days, CertificatePair *ret,
                      Fail *why)
{
    return certificate_issue_unit(authority, organization, NULL, common_name, names, days, ret,
                                  why);
}

int certificate_make_request(const char *common_name, char **ret_request, char **ret_key, Fail *why)
{
    AUTO(EVP_PKEY) EVP_PKEY *key = EVP_EC_gen("P-256");
    AUTO(X509_REQ) X509_REQ *request = X509_REQ_new();
    if (!key)
        return certificate_fail(why, "A key could not be made.");
    X509_NAME *subject = certificate_name(NULL, NULL, common_name, why);
    if (!subject)
        return -EINVAL;
    X509_REQ_set_subject_name(request, subject);
    X509_NAME_free(subject);
    X509_REQ_set_pubkey(request, key);
    if (!X509_REQ_sign(request, key, EVP_sha256()))
        return certificate_fail(why, "A certificate request could not be signed.");
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_REQ(bio, request);
    *ret_request = bio_take(bio);
    *ret_key = pem_of_key(key);
    return 0;
}

int certificate_sign_request(const CertificatePair *authority, const char *request,
                             const char *organization, const char *common_name, const char *names,
                             int days, char **ret_certificate, Fail *why)
{
    BIO *bio = BIO_new_mem_buf(request, -1);
    AUTO(X509_REQ) X509_REQ *parsed = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    BIO_free(bio);
    EVP_PKEY *key = parsed ? X509_REQ_get0_pubkey(parsed) : NULL;
    if (!key || X509_REQ_verify(parsed, key) != 1) {
        ERR_clear_error();
        return fail_set(why, FAIL_INVALID, "The certificate request is not valid.");
    }
    return certificate_sign(authority, key, organization, NULL, common_name, names, days,
                            ret_certificate, why);
}

static int64_t certificate_time(const ASN1_TIME *time)
{
    struct tm broken;
    return ASN1_TIME_to_tm(time, &broken) ? (int64_t)timegm(&broken) : 0;
}

int certificate_validity(const char *certificate, int64_t *ret_from, int64_t *ret_until, Fail *why)
{
    AUTO(X509) X509 *parsed = certificate_parse(certificate);
    if (!parsed)
        return certificate_fail(why, "A certificate can't be read.");
    *ret_from = certificate_time(X509_get0_notBefore(parsed));
    *ret_until = certificate_time(X509_get0_notAfter(parsed));
    return 0;
}

char *certificate_fingerprint(const char *certificate)
{
    AUTO(X509) X509 *parsed = certificate_parse(certificate);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (!parsed || !X509_digest(parsed, EVP_sha256(), digest, &length))
        return NULL;
    AUTO_STRBUF text = {0};
    for (unsigned i = 0; i < length; i++)
        strbuf_addf(&text, "%s%02X", i ? ":" : "", digest[i]);
    return strbuf_take(&text);
}

char *certificate_subject(const char *certificate)
{
    AUTO(X509) X509 *parsed = certificate_parse(certificate);
    if (!parsed)
        return NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(bio, X509_get_subject_name(parsed), 0,
                       XN_FLAG_COMPAT | XN_FLAG_SEP_COMMA_PLUS);
    return bio_take(bio);
}

static void ssh_add(StrBuf *blob, const void *data, size_t length)
{
    uint32_t size = htonl((uint32_t)length);
    strbuf_add(blob, &size, sizeof(size));
    strbuf_add(blob, data, length);
}

char *certificate_ssh_key(const char *certificate)
{
    static const char type[] = "ecdsa-sha2-nistp256", curve[] = "nistp256";
    AUTO(X509) X509 *parsed = certificate_parse(certificate);
    EVP_PKEY *key = parsed ? X509_get0_pubkey(parsed) : NULL;
    unsigned char point[128];
    size_t length = 0;
    if (!key || !EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
                                                 &length))
        return NULL;
    AUTO_STRBUF blob = {0};
    ssh_add(&blob, type, sizeof(type) - 1);
    ssh_add(&blob, curve, sizeof(curve) - 1);
    ssh_add(&blob, point, length);
    AUTO_FREE char *encoded = memory_new(blob.length * 2 + 8, 1);
    EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)blob.data, (int)blob.length);
    return memory_format("%s %s", type, encoded);
}
