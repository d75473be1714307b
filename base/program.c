#include "base/program.h"

#include <getopt.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"

typedef struct CommandLine {
    const char *file;
    bool required; // the file was named
    bool check;
    Array sets;
} CommandLine;

static _Noreturn void page_answer(const ProgramPage *page, int letter)
{
    switch (letter) {
    case 'p': options_print_sample(page->options, *page->option_count, stdout); exit(0);
    case 'v': printf("%s %s\n", page->name, VIREO_VERSION); exit(0);
    case 'h': program_page_usage(page, stdout); exit(0);
    case 'm': program_page_print(page, stdout); exit(0);
    case 'f': program_page_print_config(page, stdout); exit(0);
    default: program_page_usage(page, stderr); exit(2);
    }
}

static void command_line_read(const ProgramPage *page, CommandLine *line, int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"set", required_argument, NULL, 's'},
        {"check-config", no_argument, NULL, 'k'},
        {"sample-config", no_argument, NULL, 'p'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {"man", no_argument, NULL, 'm'},
        {"man-config", no_argument, NULL, 'f'},
        {NULL, 0, NULL, 0},
    };
    for (int letter; (letter = getopt_long(argc, argv, "c:s:h", longs, NULL)) != -1;) {
        switch (letter) {
        case 'c':
            line->file = optarg;
            line->required = true;
            break;
        case 's': array_add(&line->sets, optarg); break;
        case 'k': line->check = true; break;
        default: page_answer(page, letter);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: \"%s\" is not understood.\n", page->name, argv[optind]);
        page_answer(page, '?');
    }
}

static int log_level_apply(const ProgramPage *page, const void *config, Fail *why)
{
    for (size_t i = 0; i < *page->option_count; i++) {
        const OptionRow *row = &page->options[i];
        if (strcmp(row->name, "log_level"))
            continue;
        const char *name = *(char *const *)((const char *)config + row->offset);
        LogLevel level = log_level_from_name(name);
        if (level < 0)
            return fail_set(why, FAIL_INVALID, "log_level: \"%s\" is no level.", name);
        log_set_level(level);
    }
    return 0;
}

void program_configure(const ProgramPage *page, void *config, int argc, char **argv)
{
    AUTO_FAIL why = {0};
    CommandLine line = {.file = page->config};
    size_t count = *page->option_count;
    command_line_read(page, &line, argc, argv);
    options_set_defaults(page->options, count, config);
    int result = options_load(page->options, count, config, line.file, line.required, &why);
    for (size_t i = 0; !result && i < line.sets.count; i++)
        result = options_assign(page->options, count, config, line.sets.items[i], &why);
    array_done(&line.sets);
    if (!result)
        result = log_level_apply(page, config, &why);
    if (result) {
        AUTO_FREE char *text = fail_text(&why);
        fprintf(stderr, "%s: %s\n", page->name, text);
        exit(2);
    }
    if (line.check) {
        puts("The configuration is good.");
        exit(0);
    }
}
