#include "agent/console/qemu_config.h"

#include <string.h>

#include "base/test.h"

static void assert_value(const char *text, const char *expected)
{
    const char *value = qemu_config_value(text, "spice_tls");
    if (!expected)
        assert_null(value);
    else {
        assert_non_null(value);
        assert_memory_equal(value, expected, strlen(expected));
    }
}

TEST(value_is_found)
{
    assert_value("spice_tls = 1", "1");
    assert_value("spice_tls=1\n", "1");
    assert_value("a = 1\n\n  spice_tls\t =  0\nb = 2\n", "0");
    assert_value("spice_tls = 0\nspice_tls = 1\n", "1");
}

TEST(other_lines_are_none)
{
    assert_value("", NULL);
    assert_value("\n\n", NULL);
    assert_value("spice_tls", NULL);
    assert_value("#spice_tls = 1\n", NULL);
    assert_value("# spice_tls = 1\n", NULL);
    assert_value("spice_tls_x509_cert_dir = \"/etc\"\n", NULL);
    assert_value("my_spice_tls = 1\n", NULL);
}
