#include "agent/storage/domain_metadata.h"

#include <string.h>

#include "base/test.h"

// A master domain of version 5 as VDSM wrote it.
static const char master[] =
    "ALIGNMENT=1048576\nBLOCK_SIZE=512\nCLASS=Data\nDESCRIPTION=data1\nIOOPTIMEOUTSEC=10\n"
    "LEASERETRIES=3\nLEASETIMESEC=60\nLOCKPOLICY=ON\nLOCKRENEWALINTERVALSEC=5\n"
    "MASTER_VERSION=1\nPOOL_DESCRIPTION=dc1\n"
    "POOL_DOMAINS=5a8c4f3a-0000-4000-8000-00000000d001:Active\nPOOL_SPM_ID=-1\n"
    "POOL_SPM_LVER=-1\nPOOL_UUID=5a8c4f3a-0000-4000-8000-00000000f001\n"
    "REMOTE_PATH=/dev/fake512\nROLE=Master\nSDUUID=5a8c4f3a-0000-4000-8000-00000000d001\n"
    "TYPE=POSIXFS\nVERSION=5\n_SHA_CKSUM=23f9c3bf3cd109c51538ababe13e12383be74463\n";

static MetadataVerdict parse(const char *text, DomainMetadata *metadata)
{
    return domain_metadata_parse(text, strlen(text), metadata);
}

TEST(what_was_read_is_written)
{
    AUTO_METADATA metadata = {0};
    AUTO_STRBUF text = {0};
    assert_int_equal(parse(master, &metadata), METADATA_GOOD);
    assert_true(metadata.sealed);
    assert_int_equal(metadata.count, 20);
    domain_metadata_write(&metadata, &text);
    assert_string_equal(text.data, master);
}

TEST(order_of_setting_does_not_matter)
{
    AUTO_METADATA read = {0}, made = {0};
    AUTO_STRBUF text = {0};
    assert_int_equal(parse(master, &read), METADATA_GOOD);
    for (size_t i = read.count; i-- > 0;)
        domain_metadata_set(&made, read.pairs[i].key, read.pairs[i].value);
    domain_metadata_set(&made, "ROLE", "Regular");
    domain_metadata_set(&made, "ROLE", "Master");
    domain_metadata_set(&made, "ZZZ", "1");
    domain_metadata_remove(&made, "ZZZ");
    domain_metadata_remove(&made, "never there");
    domain_metadata_write(&made, &text);
    assert_string_equal(text.data, master);
}

TEST(broken_seal_is_noticed)
{
    AUTO_FREE char *changed = memory_string(master);
    AUTO_METADATA metadata = {0};
    *strstr(changed, "data1") = 'D';
    assert_int_equal(parse(changed, &metadata), METADATA_BROKEN_SEAL);
    assert_int_equal(metadata.count, 0);
}

TEST(missing_seal_is_trusted)
{
    AUTO_FREE char *unsealed = memory_string(master);
    AUTO_METADATA metadata = {0};
    *strstr(unsealed, "_SHA") = 0;
    assert_int_equal(parse(unsealed, &metadata), METADATA_GOOD);
    assert_false(metadata.sealed);
    assert_int_equal(metadata.count, 20);
}

// Sealed by: printf 'DESCRIPTION=Daten &#228;&#8364;&#128512;ROLE=Regular' | sha1sum
TEST(seal_of_other_characters)
{
    static const char text[] = "DESCRIPTION=Daten \u00e4\u20ac\U0001f600\nROLE=Regular\n"
                               "_SHA_CKSUM=dac972c4277ffc47d79ac5e17b0420613bb0dc34\n";
    AUTO_METADATA metadata = {0}, made = {0};
    AUTO_STRBUF out = {0};
    domain_metadata_set(&made, "ROLE", "Regular");
    domain_metadata_set(&made, "DESCRIPTION", "Daten \u00e4\u20ac\U0001f600");
    domain_metadata_write(&made, &out);
    assert_string_equal(out.data, text);
    assert_int_equal(parse(out.data, &metadata), METADATA_GOOD);
    assert_true(metadata.sealed);
}

TEST(odd_lines)
{
    AUTO_METADATA metadata = {0};
    assert_int_equal(parse("no line\r\n KEY =a=b \nKEY=second\r\nEMPTY=\n\n=", &metadata),
                     METADATA_GOOD);
    assert_string_equal(domain_metadata_get(&metadata, "KEY"), "second");
    assert_string_equal(domain_metadata_get(&metadata, "EMPTY"), "");
    assert_null(domain_metadata_get(&metadata, "no line"));
    assert_string_equal(domain_metadata_get(&metadata, ""), "");
}

// However many returns end a line, what is read stands under its seal when it was written again.
TEST(returns_end_lines)
{
    AUTO_METADATA metadata = {0}, again = {0};
    AUTO_STRBUF text = {0};
    assert_int_equal(parse("A=b\r\r\nC=d\rE=f", &metadata), METADATA_GOOD);
    assert_string_equal(domain_metadata_get(&metadata, "A"), "b");
    assert_string_equal(domain_metadata_get(&metadata, "C"), "d");
    assert_string_equal(domain_metadata_get(&metadata, "E"), "f");
    domain_metadata_write(&metadata, &text);
    assert_int_equal(parse(text.data, &again), METADATA_GOOD);
    assert_true(again.sealed);
}

TEST(values_have_no_line_ends)
{
    static const char *const bad[] = {"a\nROLE=Master", "a\r",       "\v",     "a\fb",    "\x1c",
                                      "\x1e",           "a\xc2\x85", "\u2028", "\u2029b", "\xff"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(domain_metadata_fits(bad[i]));
    assert_true(domain_metadata_fits(""));
    assert_true(domain_metadata_fits("Daten \u00e4\u20ac\U0001f600\t=,"));
}

TEST(padding_and_no_text)
{
    AUTO_METADATA metadata = {0};
    char padded[] = "A=1\nB=2\n\0\0\0\0";
    assert_int_equal(domain_metadata_parse(padded, sizeof(padded), &metadata), METADATA_GOOD);
    assert_string_equal(domain_metadata_get(&metadata, "B"), "2");
    domain_metadata_done(&metadata);
    assert_int_equal(domain_metadata_parse("", 0, &metadata), METADATA_GOOD);
    assert_int_equal(metadata.count, 0);
    assert_int_equal(parse("A=\xff\n", &metadata), METADATA_NO_TEXT);
    assert_int_equal(domain_metadata_parse("A=\0B\n", 5, &metadata), METADATA_NO_TEXT);
    AUTO_FREE char *many = test_repeat("A=1\n", DOMAIN_METADATA_MAX);
    assert_int_equal(parse(many, &metadata), METADATA_NO_TEXT);
}

TEST(numbers)
{
    AUTO_METADATA metadata = {0};
    assert_int_equal(parse("A=512\nB=x\nC=\nD=-1\nE=99999999999999999999\n", &metadata),
                     METADATA_GOOD);
    assert_int_equal(domain_metadata_number(&metadata, "A", 0, 1000, 7), 512);
    assert_int_equal(domain_metadata_number(&metadata, "A", 0, 100, 7), 7);
    assert_int_equal(domain_metadata_number(&metadata, "B", 0, 1000, 7), 7);
    assert_int_equal(domain_metadata_number(&metadata, "C", 0, 1000, 7), 7);
    assert_int_equal(domain_metadata_number(&metadata, "D", -5, 1000, 7), -1);
    assert_int_equal(domain_metadata_number(&metadata, "E", 0, INT64_MAX, 7), 7);
    assert_int_equal(domain_metadata_number(&metadata, "F", 0, 1000, 7), 7);
}
