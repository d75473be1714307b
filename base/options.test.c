#include "base/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/options.h"

typedef struct Settings {
    char *name, *path;
    int count;
    bool loud;
} Settings;

static const OptionRow rows[] = {
    {"name", OPTION_STRING, offsetof(Settings, name), "vireo", 1, 10, "A name."},
    {"path", OPTION_PATH, offsetof(Settings, path), "", 0, 100, "A path."},
    {"count", OPTION_INTEGER, offsetof(Settings, count), "3", -5, 100, "A number."},
    {"loud", OPTION_BOOLEAN, offsetof(Settings, loud), "no", 0, 0, "A switch."},
};

static void settings_begin(Settings *settings)
{
    *settings = (Settings){0};
    options_set_defaults(rows, COUNT_OF(rows), settings);
}

static int assign(Settings *settings, const char *text, Fail *why)
{
    return options_assign(rows, COUNT_OF(rows), settings, text, why);
}

static int load(Settings *settings, const char *content, Fail *why)
{
    AUTO_FREE char *directory = test_directory();
    AUTO_FREE char *path = memory_format("%s/conf", directory);
    assert_int_equal(file_write_atomic(path, content, strlen(content), 0600), 0);
    int result = options_load(rows, COUNT_OF(rows), settings, path, true, why);
    assert_int_equal(directory_remove(directory), 0);
    return result;
}

TEST(defaults)
{
    Settings settings;
    settings_begin(&settings);
    assert_string_equal(settings.name, "vireo");
    assert_string_equal(settings.path, "");
    assert_int_equal(settings.count, 3);
    assert_false(settings.loud);
    options_done(rows, COUNT_OF(rows), &settings);
    assert_null(settings.name);
}

TEST(file_with_everything)
{
    Settings settings;
    settings_begin(&settings);
    assert_int_equal(load(&settings,
                          "# comment\n\n  name =  a = b \r\npath=/x\ncount\t=\t-5\nloud=Yes\n"
                          "count = 7",
                          NULL),
                     0);
    assert_string_equal(settings.name, "a = b");
    assert_string_equal(settings.path, "/x");
    assert_int_equal(settings.count, 7); // the last one counts
    assert_true(settings.loud);
    options_done(rows, COUNT_OF(rows), &settings);
}

TEST(wrong_values_name_the_option)
{
    static const char *const bad[] = {
        "count=101",  "count=-6", "count=",           "count=3x",      "count=99999999999999999999",
        "count=0x10", "name=",    "name=elevenchars", "path=relative", "loud=maybe",
        "loud=",
    };
    Settings settings;
    settings_begin(&settings);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_FAIL why = {0};
        if (!assign(&settings, bad[i], &why))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(strncmp(why.message, bad[i], strcspn(bad[i], "=")), 0);
    }
    assert_string_equal(settings.name, "vireo"); // untouched
    assert_int_equal(settings.count, 3);
    options_done(rows, COUNT_OF(rows), &settings);
}

TEST(unknown_and_malformed_lines_are_told_with_their_number)
{
    Settings settings;
    AUTO_FAIL unknown = {0}, malformed = {0};
    settings_begin(&settings);
    assert_int_equal(load(&settings, "\n# x\ncolour = red\n", &unknown), -EINVAL);
    assert_non_null(strstr(unknown.message, "conf line 3: There is no option colour."));
    assert_int_equal(load(&settings, "name\n", &malformed), -EBADMSG);
    assert_non_null(strstr(malformed.message, "conf line 1: \"name\" has no \"=\"."));
    options_done(rows, COUNT_OF(rows), &settings);
}

TEST(missing_file)
{
    Settings settings;
    AUTO_FAIL why = {0};
    settings_begin(&settings);
    assert_int_equal(options_load(rows, COUNT_OF(rows), &settings, "/none/x", false, &why), 0);
    assert_int_equal(options_load(rows, COUNT_OF(rows), &settings, "/none/x", true, &why), -ENOENT);
    assert_non_null(strstr(why.message, "/none/x"));
    options_done(rows, COUNT_OF(rows), &settings);
}

TEST(sample_file_is_a_valid_one)
{
    Settings settings;
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    options_print_sample(rows, COUNT_OF(rows), to);
    fclose(to);
    assert_non_null(strstr(text, "# A number.\n# Type: integer, -5 to 100.\n#count = 3\n"));
    for (char *at = text; (at = strstr(at, "\n#")); at++) // options are commented by '#' alone
        if (at[2] != ' ')
            at[1] = ' ';
    settings_begin(&settings);
    settings.count = 55;
    AUTO_FAIL why = {0};
    if (load(&settings, text, &why))
        fail_msg("%s", why.message);
    assert_int_equal(settings.count, 3);
    free(text);
    options_done(rows, COUNT_OF(rows), &settings);
}

TEST(value_may_be_the_old_one)
{
    Settings settings;
    settings_begin(&settings);
    AUTO_FREE char *same = memory_format("name=%s", settings.name);
    assert_int_equal(assign(&settings, same, NULL), 0);
    assert_string_equal(settings.name, "vireo");
    options_done(rows, COUNT_OF(rows), &settings);
}
