#include "cli/verbs/command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/test.h"
#include "cli/verbs/completion.h"

// Splits at blanks and parses.
typedef struct Line {
    Arena arena;
    Command command;
    Fail why;
    int result;
    char *words[32];
    int count;
} Line;

static void line_parse(Line *line, const char *text)
{
    *line = (Line){0};
    arena_init(&line->arena, 4096);
    char *rest = arena_string(&line->arena, text);
    for (char *word; *text && (word = strsep(&rest, " "));)
        line->words[line->count++] = word;
    line->result = command_parse(&line->arena, &vireo_program, line->count, line->words, false,
                                 &line->command, &line->why);
}

static void line_done(Line *line)
{
    command_done(&line->command);
    fail_done(&line->why);
    arena_done(&line->arena);
}

static void assert_good(Line *line, const char *text)
{
    line_parse(line, text);
    if (line->result)
        fail_msg("\"%s\": %s", text, line->why.message);
}

// The whole failure is as wanted.
static void assert_bad(const char *text, const char *wanted)
{
    Line line;
    line_parse(&line, text);
    assert_int_not_equal(line.result, 0);
    AUTO_FREE char *told = fail_text(&line.why);
    assert_string_equal(told, wanted);
    line_done(&line);
}

TEST(noun_verb_argument_option)
{
    Line line;
    assert_good(&line, "vm start web --paused --timeout 5m");
    assert_string_equal(line.command.verb->noun, "vm");
    assert_string_equal(line.command.verb->name, "start");
    assert_string_equal(command_text(&line.command, "VM"), "web");
    assert_true(command_flag(&line.command, "paused"));
    assert_false(command_flag(&line.command, "volatile"));
    assert_int_equal(command_number(&line.command, "timeout", 0), 300);
    line_done(&line);
}

TEST(nouns_of_two_words)
{
    Line line;
    assert_good(&line, "vm disk add web 10G --bootable yes");
    assert_string_equal(line.command.verb->noun, "vm disk");
    assert_string_equal(line.command.verb->name, "add");
    assert_int_equal(command_argument(&line.command, 2)->number, 10LL << 30);
    assert_true(command_flag(&line.command, "bootable"));
    line_done(&line);
}

TEST(plurals_list)
{
    Line line;
    assert_good(&line, "events --follow");
    assert_string_equal(line.command.verb->noun, "event");
    assert_string_equal(line.command.verb->name, "list");
    assert_true(command_flag(&line.command, "follow"));
    line_done(&line);
    assert_bad("vm disks", "There is no \"vireo vm disks\". vireo vm knows list, show, create, "
                           "update, start, stop, shutdown, reboot, reset, pause, resume, migrate, "
                           "remove, console, stats.");
}

TEST(verbs_without_noun)
{
    Line line;
    assert_good(&line, "login https://host:8443 --user me");
    assert_string_equal(line.command.verb->noun, "");
    assert_string_equal(command_text(&line.command, "user"), "me");
    line_done(&line);
    assert_good(&line, "login");
    assert_null(command_text(&line.command, "URL"));
    assert_string_equal(command_text(&line.command, "user"), "admin@internal");
    assert_false(command_value(&line.command, "user")->given);
    line_done(&line);
}

TEST(options_stand_anywhere_and_take_their_value_both_ways)
{
    Line line;
    assert_good(&line, "--json vm --quiet list --max=5 -q name=web*");
    assert_true(command_flag(&line.command, "json"));
    assert_true(command_flag(&line.command, "quiet"));
    assert_int_equal(command_number(&line.command, "max", 0), 5);
    assert_string_equal(command_text(&line.command, "search"), "name=web*");
    line_done(&line);
}

TEST(many_values)
{
    Line line;
    size_t count = 0;
    assert_good(&line, "vm create web --disk 10G --disk 20G --nic a --nic b");
    VALUE_EACH(&line.command, "disk", value)
        assert_string_equal(value->text, count++ ? "20G" : "10G");
    assert_int_equal(count, 2);
    line_done(&line);
    assert_good(&line, "vm stop a b c");
    count = 0;
    VALUE_EACH(&line.command, "VM", value)
        count++;
    assert_int_equal(count, 3);
    assert_string_equal(command_argument(&line.command, 1)->text, "a");
    line_done(&line);
}

TEST(the_last_value_counts_where_one_is_meant)
{
    Line line;
    assert_good(&line, "vm list --max 3 --max 4");
    assert_int_equal(command_number(&line.command, "max", 0), 4);
    line_done(&line);
}

TEST(two_dashes_end_the_options)
{
    Line line;
    assert_good(&line, "vm start -- --web");
    assert_string_equal(command_text(&line.command, "VM"), "--web");
    line_done(&line);
}

TEST(cpus)
{
    Line line;
    assert_good(&line, "vm create x --cpus 2:4:2");
    assert_int_equal(command_number(&line.command, "cpus", 0), 16);
    line_done(&line);
    assert_bad("vm create x --cpus 2:4", "--cpus: \"2:4\" is no CPUS.");
    assert_bad("vm create x --cpus 0", "--cpus: \"0\" is no CPUS.");
    assert_bad("vm create x --cpus 2:4:1:1", "--cpus: \"2:4:1:1\" is no CPUS.");
}

TEST(content_is_read)
{
    AUTO_FREE char *folder = test_directory();
    AUTO_FREE char *path = memory_format("%s/user-data", folder);
    AUTO_FREE char *text = memory_format("vm create x --cloud-init %s", path);
    Line line;
    assert_int_equal(file_write_atomic(path, "#cloud-config\nusers: []\r\n", 25, 0600), 0);
    assert_good(&line, text);
    assert_string_equal(command_text(&line.command, "cloud-init"), "#cloud-config\nusers: []");
    line_done(&line);
    unlink(path);
    AUTO_FREE char *wanted =
        memory_format("%s can't be read. Cause: No such file or directory.", path);
    assert_bad(text, wanted);
    assert_int_equal(directory_remove(folder), 0);
}

TEST(what_is_wrong_is_told)
{
    assert_bad("", "A verb is missing.");
    assert_bad("vm", "A verb is missing.");
    assert_bad("vmm", "There is no noun or verb \"vmm\". See vireo --help.");
    assert_bad(
        "vm disk grow",
        "There is no \"vireo vm disk grow\". vireo vm disk knows list, add, attach, detach.");
    assert_bad("vm start", "vireo vm start needs VM. See vireo vm start --help.");
    assert_bad("vm start web --fast",
               "vireo vm start has no option --fast. See vireo vm start --help.");
    assert_bad("vm start web -x", "vireo vm start has no option -x. See vireo vm start --help.");
    assert_bad("vm list --max", "--max needs a value.");
    assert_bad("vm list --json=yes", "--json takes no value.");
    assert_bad("vm list --max=many", "--max: \"many\" is no NUMBER.");
    assert_bad("vm create x --memory 10X", "--memory: \"10X\" is no SIZE.");
    assert_bad("vm console web --protocol rdp", "--protocol: \"rdp\" is no spice|vnc.");
    assert_bad("vm show", "vireo vm show needs VM. See vireo vm show --help.");
    assert_bad("host list one", "\"one\" is one argument too many.");
    assert_bad("disk move d", "vireo disk move needs --storage. See vireo disk move --help.");
    assert_bad("vm nic list web --search x",
               "vireo vm nic list has no option --search. See vireo vm nic list --help.");
}

TEST(help_needs_nothing_else)
{
    Line line;
    assert_good(&line, "vm start --help");
    assert_true(command_flag(&line.command, "help"));
    line_done(&line);
    assert_good(&line, "vm -h");
    assert_string_equal(line.command.noun, "vm");
    line_done(&line);
}

// ---- the table itself

TEST(every_row_is_whole)
{
    PROGRAM_EACH(&vireo_program, verb) {
        assert_non_null(verb->run);
        if (!verb->help)
            continue; // hidden
        assert_true(verb->help[strlen(verb->help) - 1] == '.');
        if (verb->until)
            assert_non_null(verb->call);
        if (verb->call && *verb->call <= 'Z') // a request
            assert_non_null(verb->done);
        bool many = false;
        VERB_EACH(verb, ROW_ARGUMENT, argument) {
            assert_false(many); // only the last one can be several
            many = argument->flags & ROW_MANY;
            assert_non_null(argument->help);
            if (argument->type == VALUE_REFERENCE)
                assert_non_null(noun_find(argument->of));
        }
        VERB_EACH(verb, ROW_OPTION, option) {
            assert_non_null(option->help);
            if (option->type == VALUE_REFERENCE)
                assert_non_null(noun_find(option->of));
            if (option->type == VALUE_CHOICE)
                assert_non_null(option->of);
        }
    }
}

TEST(lists_and_shows_have_their_noun)
{
    PROGRAM_EACH(&vireo_program, verb) {
        bool lists = !strcmp(verb->name, "list") || !strcmp(verb->name, "stats");
        if (!lists && strcmp(verb->name, "show"))
            continue;
        const NounRow *noun = noun_find(verb->call ? verb->call : verb->noun);
        assert_non_null(noun);
        size_t columns = 0;
        COLUMN_EACH(noun, column) {
            columns++;
            if (column->format == FORMAT_NAME || column->format == FORMAT_TABLE)
                assert_non_null(noun_find(column->of));
        }
        assert_true(columns > 0);
    }
}

TEST(no_name_stands_twice_in_a_verb)
{
    PROGRAM_EACH(&vireo_program, verb)
        OPTION_EACH(&vireo_program, verb, option)
            assert_ptr_equal(option_find(&vireo_program, verb, option->name), option);
}

// ---- completion

static void assert_completes(const char *text, const char *wanted, bool files, const char *noun)
{
    AUTO_ARENA arena;
    Completion completion;
    char *words[16];
    int count = 0;
    arena_init(&arena, 4096);
    char *rest = arena_string(&arena, text);
    for (char *word; (word = strsep(&rest, " "));)
        words[count++] = word;
    completion_find(&arena, &vireo_program, count, words, &completion);
    AUTO_STRBUF found = {0};
    strbuf_adds(&found, "");
    rest = arena_string(&arena, completion.text.data);
    for (char *line; (line = strsep(&rest, "\n")) && *line;)
        strbuf_addf(&found, "%s%.*s", found.length ? " " : "", (int)strcspn(line, "\t"), line);
    assert_string_equal(found.data, wanted);
    assert_int_equal(completion.files, files);
    assert_string_equal(completion.wanted ? completion.wanted->of : "", noun ? noun : "");
    completion_done(&completion);
}

TEST(words_are_completed)
{
    assert_completes("st", "status storage", false, NULL);
    assert_completes("vm s", "show start stop shutdown stats snapshot", false, NULL);
    assert_completes("vm disk ", "list add attach detach", false, NULL);
    assert_completes("comp", "completion", false, NULL);
    assert_completes("completion ", "bash zsh", false, NULL);
    assert_completes("vm console web --pro", "--protocol", false, NULL);
    assert_completes("vm console web --protocol s", "spice", false, NULL);
    assert_completes("vm disk add web 1G --bootable ", "yes no", false, NULL);
    assert_completes("vm list --json --j", "", false, NULL); // not twice
    assert_completes("nonsense ", "", false, NULL);
}

TEST(objects_and_files_are_completed)
{
    assert_completes("vm start ", "", false, "vm");
    assert_completes("vm start web ", "", false, "vm");
    assert_completes("vm disk attach web ", "", false, "disk");
    assert_completes("vm nic plug web ", "", false, "vm nic");
    assert_completes("vm create x --cluster ", "", false, "cluster");
    assert_completes("vm nic plug web nic1 ", "", false, NULL);
    assert_completes("disk upload ", "", true, NULL);
    assert_completes("--connection ", "", true, NULL);
    assert_completes("vm create x --cloud-init ", "", true, NULL);
}
