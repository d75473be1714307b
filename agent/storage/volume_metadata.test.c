#include "agent/storage/volume_metadata.h"

#include <errno.h>
#include <string.h>

#include "base/test.h"

static const char leaf[] =
    "CAP=1073741824\nCTIME=1700000000\n"
    "DESCRIPTION={\"DiskAlias\":\"d1\",\"DiskDescription\":\"\"}\nDISKTYPE=DATA\n"
    "DOMAIN=5a8c4f3a-0000-4000-8000-00000000d001\nFORMAT=COW\nGEN=7\n"
    "IMAGE=5a8c4f3a-0000-4000-8000-00000000a001\nLEGALITY=LEGAL\n"
    "PUUID=5a8c4f3a-0000-4000-8000-00000000b000\nSEQ=2\nTYPE=SPARSE\nVOLTYPE=LEAF\nEOF\n";

static const char old[] =
    "CTIME=1700000000\nDESCRIPTION=\nDISKTYPE=2\nDOMAIN=5a8c4f3a-0000-4000-8000-00000000d001\n"
    "FORMAT=RAW\nGEN=0\nIMAGE=5a8c4f3a-0000-4000-8000-00000000a001\nLEGALITY=ILLEGAL\nMTIME=0\n"
    "PUUID=00000000-0000-0000-0000-000000000000\nSIZE=2097152\nTYPE=PREALLOCATED\n"
    "VOLTYPE=SHARED\nEOF\n";

static VolumeVerdict parse(const char *text, VolumeMetadata *metadata)
{
    const char *problem;
    return volume_metadata_parse(text, strlen(text), metadata, &problem);
}

// The text with one piece replaced.
static char *with(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    return memory_format("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

TEST(version_5_is_written_as_it_was_read)
{
    AUTO_VOLUME_METADATA metadata = {0};
    AUTO_STRBUF text = {0};
    assert_int_equal(parse(leaf, &metadata), VOLUME_METADATA_GOOD);
    assert_int_equal(metadata.capacity, 1 << 30);
    assert_int_equal(metadata.format, VOLUME_COW);
    assert_int_equal(metadata.role, VOLUME_LEAF);
    assert_int_equal(metadata.generation, 7);
    assert_int_equal(metadata.sequence, 2);
    assert_true(volume_metadata_has_parent(&metadata));
    assert_int_equal(volume_metadata_write(&metadata, 5, &text), 0);
    assert_string_equal(text.data, leaf);
}

TEST(version_4_is_written_as_it_was_read)
{
    AUTO_VOLUME_METADATA metadata = {0};
    AUTO_STRBUF text = {0};
    assert_int_equal(parse(old, &metadata), VOLUME_METADATA_GOOD);
    assert_int_equal(metadata.capacity, 1 << 30);
    assert_int_equal(metadata.role, VOLUME_SHARED);
    assert_int_equal(metadata.legality, VOLUME_ILLEGAL);
    assert_int_equal(metadata.allocation, VOLUME_PREALLOCATED);
    assert_int_equal(metadata.sequence, 0);
    assert_false(volume_metadata_has_parent(&metadata));
    assert_int_equal(volume_metadata_write(&metadata, 4, &text), 0);
    assert_string_equal(text.data, old);
}

TEST(missing_generation_and_sequence_are_zero)
{
    AUTO_VOLUME_METADATA metadata = {0};
    AUTO_FREE char *one = with(leaf, "GEN=7\n", "");
    AUTO_FREE char *both = with(one, "SEQ=2\n", "");
    assert_int_equal(parse(both, &metadata), VOLUME_METADATA_GOOD);
    assert_int_equal(metadata.generation, 0);
    assert_int_equal(metadata.sequence, 0);
}

// While a domain is being converted both are there.
TEST(capacity_goes_before_size)
{
    AUTO_VOLUME_METADATA metadata = {0};
    AUTO_FREE char *both = with(old, "SIZE=2097152\n", "SIZE=1\nCAP=4096\n");
    assert_int_equal(parse(both, &metadata), VOLUME_METADATA_GOOD);
    assert_int_equal(metadata.capacity, 4096);
}

TEST(each_missing_key_is_named)
{
    static const char *const keys[] = {"CAP",    "CTIME",  "DESCRIPTION", "DISKTYPE",
                                       "DOMAIN", "FORMAT", "IMAGE",       "LEGALITY",
                                       "PUUID",  "TYPE",   "VOLTYPE"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        AUTO_VOLUME_METADATA metadata = {0};
        const char *problem = NULL;
        AUTO_FREE char *from = memory_format("\n%s=", keys[i]);
        AUTO_FREE char *to = memory_format("\nX%s=", keys[i]);
        AUTO_FREE char *whole = memory_format("\n%s", leaf);
        AUTO_FREE char *text = with(whole, from, to);
        assert_int_equal(volume_metadata_parse(text, strlen(text), &metadata, &problem),
                         VOLUME_METADATA_INVALID);
        assert_memory_equal(problem, keys[i], strlen(keys[i]));
    }
}

TEST(bad_values_are_refused)
{
    static const char *const changes[][2] = {
        {"CAP=1073741824", "CAP=-1"},
        {"CAP=1073741824", "CAP=12x"},
        {"CAP=1073741824", "CAP=9223372036854775808"},
        {"GEN=7", "GEN=seven"},
        {"SEQ=2", "SEQ=4294967296"},
        {"FORMAT=COW", "FORMAT=QED"},
        {"LEGALITY=LEGAL", "LEGALITY=legal"},
        {"PUUID=5a8c4f3a", "PUUID=../../../"},
        {"IMAGE=5a8c4f3a-", "IMAGE="},
        {"DISKTYPE=DATA", "DISKTYPE=DATADATA"},
    };
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        AUTO_VOLUME_METADATA metadata = {0};
        AUTO_FREE char *text = with(leaf, changes[i][0], changes[i][1]);
        assert_int_equal(parse(text, &metadata), VOLUME_METADATA_INVALID);
        assert_null(metadata.description);
    }
}

TEST(cleared_and_ended)
{
    AUTO_VOLUME_METADATA metadata = {0};
    AUTO_FREE char *cut = with(leaf, "TYPE=SPARSE\n", "EOF\nTYPE=SPARSE\n");
    AUTO_FREE char *after = memory_format("%sCAP=1\n", leaf);
    assert_int_equal(parse("NONE=######\nEOF\n", &metadata), VOLUME_METADATA_CLEARED);
    assert_int_equal(parse(cut, &metadata), VOLUME_METADATA_INVALID);
    assert_int_equal(parse("", &metadata), VOLUME_METADATA_INVALID);
    assert_int_equal(parse(after, &metadata), VOLUME_METADATA_GOOD);
    assert_int_equal(metadata.capacity, 1 << 30);
}

TEST(padding_is_no_content)
{
    AUTO_VOLUME_METADATA metadata = {0};
    const char *problem;
    char block[4096] = {0};
    memcpy(block, leaf, sizeof(leaf));
    assert_int_equal(volume_metadata_parse(block, sizeof(block), &metadata, &problem),
                     VOLUME_METADATA_GOOD);
}

TEST(descriptions)
{
    AUTO_VOLUME_METADATA metadata = {0};
    AUTO_STRBUF text = {0};
    AUTO_FREE char *wide = test_repeat("\u00e4", 300), *long_one = test_repeat("x", 300);
    assert_int_equal(parse(leaf, &metadata), VOLUME_METADATA_GOOD);
    assert_int_equal(volume_metadata_describe(&metadata, long_one), 0);
    assert_int_equal(strlen(metadata.description), 210);
    assert_int_equal(volume_metadata_write(&metadata, 5, &text), 0);
    assert_true(text.length <= 512);
    assert_int_equal(volume_metadata_describe(&metadata, wide), 0);
    assert_int_equal(strlen(metadata.description), 420);
    assert_int_equal(volume_metadata_write(&metadata, 5, &text), -EOVERFLOW);
    assert_int_equal(volume_metadata_describe(&metadata, "a\nLEGALITY=LEGAL"), -EINVAL);
    assert_int_equal(volume_metadata_describe(&metadata, "\xff"), -EINVAL);
    assert_int_equal(volume_metadata_describe(&metadata, " a b\v\t "), 0);
    assert_string_equal(metadata.description, "a b");
    assert_int_equal(volume_metadata_describe(&metadata, NULL), 0);
    assert_string_equal(metadata.description, "");
}

TEST(generations_go_round)
{
    assert_int_equal(generation_next(0), 1);
    assert_int_equal(generation_next(998), 999);
    assert_int_equal(generation_next(999), 0);
}
