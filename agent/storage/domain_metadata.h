// The metadata of a storage domain: sorted KEY=VALUE lines under a SHA-1 seal. Pure functions over
// bytes; keys nobody knows are kept.
#pragma once

#include "base/strbuf.h"

enum { DOMAIN_METADATA_MAX = 64 * 1024, DOMAIN_METADATA_KEYS_MAX = 512 };

typedef struct MetadataPair {
    char *key, *value;
} MetadataPair;

typedef struct DomainMetadata {
    MetadataPair *pairs; // sorted by key
    size_t count;
    bool sealed; // a checksum was there, and right
} DomainMetadata;

typedef enum MetadataVerdict {
    METADATA_GOOD,
    METADATA_BROKEN_SEAL, // the checksum is wrong: nothing in it can be trusted
    METADATA_NO_TEXT,     // not UTF-8, or beyond all limits
} MetadataVerdict;

// *ret is empty unless METADATA_GOOD. Bytes of zero at the end are padding.
MetadataVerdict domain_metadata_parse(const char *data, size_t length, DomainMetadata *ret);
void domain_metadata_done(DomainMetadata *metadata);
#define AUTO_METADATA __attribute__((cleanup(domain_metadata_done))) DomainMetadata

const char *domain_metadata_get(const DomainMetadata *metadata, const char *key);
// A number of the given range, else the fallback.
int64_t domain_metadata_number(const DomainMetadata *metadata, const char *key, int64_t minimum,
                               int64_t maximum, int64_t fallback);
void domain_metadata_set(DomainMetadata *metadata, const char *key, const char *value);
void domain_metadata_set_number(DomainMetadata *metadata, const char *key, int64_t value);
void domain_metadata_remove(DomainMetadata *metadata, const char *key);
// False for what would end a line in some reader: VDSM also knows vertical tabs, the separators of
// ASCII and Unicode's line ends.
bool domain_metadata_fits(const char *value);
// The file's whole text with its seal.
void domain_metadata_write(const DomainMetadata *metadata, StrBuf *out);
