#include "agent/storage/volume_metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { VALUE_MAX = 1024, SECTOR = 512 };
static const int64_t sequence_max = 0xffffffffLL;

// The text of each key that is known; a later line wins over an earlier one.
typedef struct VolumeFields {
    char *cap, *ctime, *description, *disktype, *domain, *format, *gen, *image, *legality, *puuid,
        *seq, *size, *type, *voltype, *none;
} VolumeFields;

static const struct {
    const char *key;
    size_t offset;
} field_rows[] = {
#define FIELD(key, member)                  \
    {                                       \
        key, offsetof(VolumeFields, member) \
    }
    FIELD("CAP", cap),           FIELD("CTIME", ctime),     FIELD("DESCRIPTION", description),
    FIELD("DISKTYPE", disktype), FIELD("DOMAIN", domain),   FIELD("FORMAT", format),
    FIELD("GEN", gen),           FIELD("IMAGE", image),     FIELD("LEGALITY", legality),
    FIELD("PUUID", puuid),       FIELD("SEQ", seq),         FIELD("SIZE", size),
    FIELD("TYPE", type),         FIELD("VOLTYPE", voltype), FIELD("NONE", none),
#undef FIELD
};

static char **field_at(VolumeFields *fields, size_t row)
{
    return (char **)((char *)fields + field_rows[row].offset);
}

static void volume_fields_done(VolumeFields *fields)
{
    for (size_t i = 0; i < COUNT_OF(field_rows); i++)
        free(*field_at(fields, i));
}

void volume_metadata_done(VolumeMetadata *metadata)
{
    free(metadata->description);
    *metadata = (VolumeMetadata){0};
}

static void trim(const char **text, size_t *length)
{
    while (*length && strchr(" \t\r\v\f", **text))
        (*text)++, (*length)--;
    while (*length && strchr(" \t\r\v\f", (*text)[*length - 1]))
        (*length)--;
}

static void fields_parse_line(VolumeFields *fields, const char *line, size_t length)
{
    const char *equals = memchr(line, '=', length);
    if (!equals)
        return;
    const char *key = line, *value = equals + 1;
    size_t key_length = (size_t)(equals - line), value_length = (size_t)(line + length - value);
    trim(&key, &key_length);
    trim(&value, &value_length);
    // A line with broken characters is no line; the missing key is noticed later.
    if (value_length > VALUE_MAX || !utf8_valid(value, value_length))
        return;
    for (size_t i = 0; i < COUNT_OF(field_rows); i++) {
        if (strlen(field_rows[i].key) != key_length || memcmp(field_rows[i].key, key, key_length))
            continue;
        free(*field_at(fields, i));
        *field_at(fields, i) = memory_bytes(value, value_length);
    }
}

static void fields_parse(VolumeFields *fields, const char *data, size_t length)
{
    for (const char *at = data, *end = data + length; at < end;) {
        size_t line = 0;
        while (at + line < end && at[line] != '\n' && at[line])
            line++;
        if (line >= 3 && !memcmp(at, "EOF", 3))
            return;
        fields_parse_line(fields, at, line);
        at += line + 1;
    }
}

static bool number_parse(const char *text, int64_t minimum, int64_t maximum, int64_t *ret)
{
    char *end;
    if (!text || !*text)
        return false;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*end || errno || number < minimum || number > maximum)
        return false;
    *ret = number;
    return true;
}

// UUIDs become parts of paths: nothing else may pass.
static bool uuid_copy(const char *text, char to[UUID_SIZE])
{
    if (!text || !uuid_valid(text))
        return false;
    memcpy(to, text, UUID_SIZE);
    uuid_lower(to);
    return true;
}

static const char *volume_read_identity(VolumeMetadata *metadata, const VolumeFields *fields)
{
    if (!uuid_copy(fields->domain, metadata->domain))
        return "DOMAIN is missing or no UUID";
    if (!uuid_copy(fields->image, metadata->image))
        return "IMAGE is missing or no UUID";
    if (!uuid_copy(fields->puuid, metadata->parent))
        return "PUUID is missing or no UUID";
    return NULL;
}

static const char *volume_read_numbers(VolumeMetadata *metadata, const VolumeFields *fields)
{
    int64_t generation = 0;
    if (fields->cap ? !number_parse(fields->cap, 0, INT64_MAX, &metadata->capacity)
                    : !number_parse(fields->size, 0, INT64_MAX / SECTOR, &metadata->capacity))
        return "CAP (or SIZE) is missing or no number";
    if (!fields->cap)
        metadata->capacity *= SECTOR;
    if (!number_parse(fields->ctime, 0, INT64_MAX, &metadata->created))
        return "CTIME is missing or no number";
    if (fields->gen && !number_parse(fields->gen, 0, INT32_MAX, &generation))
        return "GEN is no number";
    if (fields->seq && !number_parse(fields->seq, 0, sequence_max, &metadata->sequence))
        return "SEQ is no number";
    metadata->generation = (int)generation;
    return NULL;
}

static const char *volume_read_words(VolumeMetadata *metadata, const VolumeFields *fields)
{
    int format = volume_format_from_text(fields->format);
    int allocation = volume_allocation_from_text(fields->type);
    int role = volume_role_from_text(fields->voltype);
    int legality = volume_legality_from_text(fields->legality);
    if (format < 0)
        return "FORMAT is missing or unknown";
    if (allocation < 0)
        return "TYPE is missing or unknown";
    if (role < 0)
        return "VOLTYPE is missing or unknown";
    if (legality < 0)
        return "LEGALITY is missing or unknown";
    if (!fields->disktype || strlen(fields->disktype) >= sizeof(metadata->disk_type))
        return "DISKTYPE is missing or too long";
    metadata->format = (VolumeFormat)format;
    metadata->allocation = (VolumeAllocation)allocation;
    metadata->role = (VolumeRole)role;
    metadata->legality = (VolumeLegality)legality;
    memcpy(metadata->disk_type, fields->disktype, strlen(fields->disktype) + 1);
    return NULL;
}

VolumeVerdict volume_metadata_parse(const char *data, size_t length, VolumeMetadata *ret,
                                    const char **ret_problem)
{
    __attribute__((cleanup(volume_fields_done))) VolumeFields fields = {0};
    AUTO_VOLUME_METADATA metadata = {0};
    fields_parse(&fields, data, length);
    *ret_problem = "NONE";
    if (fields.none)
        return VOLUME_METADATA_CLEARED;
    *ret_problem = volume_read_identity(&metadata, &fields);
    if (!*ret_problem)
        *ret_problem = volume_read_numbers(&metadata, &fields);
    if (!*ret_problem)
        *ret_problem = volume_read_words(&metadata, &fields);
    if (!*ret_problem && !fields.description)
        *ret_problem = "DESCRIPTION is missing";
    if (*ret_problem)
        return VOLUME_METADATA_INVALID;
    metadata.description = TAKE(fields.description);
    *ret = metadata;
    metadata = (VolumeMetadata){0};
    return VOLUME_METADATA_GOOD;
}

// Number of bytes of the first `characters` characters.
static size_t utf8_prefix(const char *text, size_t characters)
{
    size_t at = 0;
    for (; text[at] && characters; characters--)
        for (at++; ((unsigned char)text[at] & 0xc0) == 0x80;)
            at++;
    return at;
}

int volume_metadata_describe(VolumeMetadata *metadata, const char *description)
{
    if (!description)
        description = "";
    if (strpbrk(description, "\n\r") || !utf8_valid(description, strlen(description)))
        return -EINVAL;
    size_t length = utf8_prefix(description, VOLUME_DESCRIPTION_MAX);
    trim(&description, &length); // as readers do
    char *text = memory_bytes(description, length);
    free(metadata->description);
    metadata->description = text;
    return 0;
}

int volume_metadata_write(const VolumeMetadata *metadata, int domain_version, StrBuf *out)
{
    size_t start = out->length;
    bool v5 = domain_version >= 5;
    if (v5)
        strbuf_addf(out, "CAP=%lld\n", (long long)metadata->capacity);
    strbuf_addf(out, "CTIME=%lld\nDESCRIPTION=%s\nDISKTYPE=%s\nDOMAIN=%s\nFORMAT=%s\nGEN=%d\n",
                (long long)metadata->created, metadata->description ? metadata->description : "",
                metadata->disk_type, metadata->domain, volume_format_name(metadata->format),
                metadata->generation);
    strbuf_addf(out, "IMAGE=%s\nLEGALITY=%s\n", metadata->image,
                volume_legality_name(metadata->legality));
    if (!v5)
        strbuf_adds(out, "MTIME=0\n");
    strbuf_addf(out, "PUUID=%s\n", metadata->parent);
    if (v5)
        strbuf_addf(out, "SEQ=%lld\n", (long long)metadata->sequence);
    else
        strbuf_addf(out, "SIZE=%lld\n", (long long)(metadata->capacity / SECTOR));
    strbuf_addf(out, "TYPE=%s\nVOLTYPE=%s\nEOF\n", volume_allocation_name(metadata->allocation),
                volume_role_name(metadata->role));
    return out->length - start > VOLUME_METADATA_SIZE ? -EOVERFLOW : 0;
}

bool volume_metadata_has_parent(const VolumeMetadata *metadata)
{
    return !uuid_is_zero(metadata->parent);
}

int generation_next(int generation)
{
    return (generation + 1) % (GENERATION_MAX + 1);
}
