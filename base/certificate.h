// X.509 for an installation of its own: one certificate authority, P-256 keys, certificates for
// hosts and the manager. PEM text everywhere; the caller frees what is returned.
#pragma once

#include "base/fail.h"

typedef struct CertificatePair {
    char *certificate; // PEM
    char *key;         // PEM, PKCS#8
} CertificatePair;

void certificate_pair_done(CertificatePair *pair);

// A new authority, valid for ten years.
int certificate_make_authority(const char *organization, const char *name, CertificatePair *ret,
                               Fail *why);
// A new key and a certificate for it. `names` are DNS names and IP addresses, separated by commas.
int certificate_issue(const CertificatePair *authority, const char *organization,
                      const char *common_name, const char *names, int days, CertificatePair *ret,
                      Fail *why);
// The same with an organizational unit: what the bearer is, for peers who treat it specially.
int certificate_issue_unit(const CertificatePair *authority, const char *organization,
                           const char *unit, const char *common_name, const char *names, int days,
                           CertificatePair *ret, Fail *why);
// A new key and a request for a certificate.
int certificate_make_request(const char *common_name, char **ret_request, char **ret_key,
                             Fail *why);
// Signs a request: only its public key is used, the names are the caller's.
int certificate_sign_request(const CertificatePair *authority, const char *request,
                             const char *organization, const char *common_name, const char *names,
                             int days, char **ret_certificate, Fail *why);
// Seconds since 1970.
int certificate_validity(const char *certificate, int64_t *ret_from, int64_t *ret_until, Fail *why);
// "AB:CD:..." of the SHA-256 of the DER form.
char *certificate_fingerprint(const char *certificate);
// "O=Vireo,CN=host" as consoles want it.
char *certificate_subject(const char *certificate);
// OpenSSH's form of the public key ("ecdsa-sha2-nistp256 AAAA... ").
char *certificate_ssh_key(const char *certificate);
