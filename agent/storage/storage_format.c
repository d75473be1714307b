#include "agent/storage/storage_format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef struct Word {
    int number;
    const char *name;
} Word;

static const Word type_words[] = {
    {DOMAIN_UNKNOWN, "UNKNOWN"}, {DOMAIN_NFS, "NFS"},
    {DOMAIN_FCP, "FCP"},         {DOMAIN_ISCSI, "ISCSI"},
    {DOMAIN_LOCALFS, "LOCALFS"}, {DOMAIN_CIFS, "CIFS"},
    {DOMAIN_POSIXFS, "POSIXFS"}, {DOMAIN_GLUSTERFS, "GLUSTERFS"},
};
static const Word class_words[] = {
    {DOMAIN_DATA, "Data"}, {DOMAIN_ISO, "Iso"}, {DOMAIN_BACKUP, "Backup"}};
static const Word allocation_words[] = {{VOLUME_PREALLOCATED, "PREALLOCATED"},
                                        {VOLUME_SPARSE, "SPARSE"}};
static const Word format_words[] = {{VOLUME_COW, "COW"}, {VOLUME_RAW, "RAW"}};
static const Word role_words[] = {
    {VOLUME_SHARED, "SHARED"}, {VOLUME_INTERNAL, "INTERNAL"}, {VOLUME_LEAF, "LEAF"}};
static const Word legality_words[] = {
    {VOLUME_LEGAL, "LEGAL"}, {VOLUME_ILLEGAL, "ILLEGAL"}, {VOLUME_FAKE, "FAKE"}};

static const char *word_name(const Word *words, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (words[i].number == number)
            return words[i].name;
    return "UNKNOWN";
}

static int word_number(const Word *words, size_t count, const char *text)
{
    char number[16];
    for (size_t i = 0; text && i < count; i++) {
        snprintf(number, sizeof(number), "%d", words[i].number);
        if (!strcasecmp(words[i].name, text) || !strcmp(number, text))
            return words[i].number;
    }
    return -EINVAL;
}

#define WORDS(words) words, COUNT_OF(words)

const char *domain_type_name(DomainType type)
{
    return word_name(WORDS(type_words), type);
}

DomainType domain_type_from_text(const char *text)
{
    return (DomainType)word_number(WORDS(type_words), text);
}

const char *domain_class_name(DomainClass class)
{
    return word_name(WORDS(class_words), class);
}

DomainClass domain_class_from_text(const char *text)
{
    return (DomainClass)word_number(WORDS(class_words), text);
}

const char *volume_allocation_name(VolumeAllocation allocation)
{
    return word_name(WORDS(allocation_words), allocation);
}

int volume_allocation_from_text(const char *text)
{
    return word_number(WORDS(allocation_words), text);
}

const char *volume_format_name(VolumeFormat format)
{
    return word_name(WORDS(format_words), format);
}

int volume_format_from_text(const char *text)
{
    return word_number(WORDS(format_words), text);
}

const char *volume_role_name(VolumeRole role)
{
    return word_name(WORDS(role_words), role);
}

int volume_role_from_text(const char *text)
{
    return word_number(WORDS(role_words), text);
}

const char *volume_legality_name(VolumeLegality legality)
{
    return word_name(WORDS(legality_words), legality);
}

// Words only: legality has no numbers on the wire.
int volume_legality_from_text(const char *text)
{
    for (size_t i = 0; text && i < COUNT_OF(legality_words); i++)
        if (!strcmp(legality_words[i].name, text))
            return legality_words[i].number;
    return -EINVAL;
}

bool volume_disk_type_valid(const char *text)
{
    // "2" and "1" are data disks of old managers and of virt-v2v.
    static const char *const types[] = {"DATA", "ISOF", "MEMD", "MEMM", "OVFS", "HEVD",
                                        "HESD", "HEMD", "HECI", "SCRD", "2",    "1"};
    for (size_t i = 0; text && i < COUNT_OF(types); i++)
        if (!strcmp(types[i], text))
            return true;
    return false;
}
