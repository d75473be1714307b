// What shells ask: the candidates for the last word of an unfinished line, with the names of
// objects. Silent and quick whatever goes wrong.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client/json_path.h"
#include "cli/client/resolve.h"
#include "cli/verbs/completion.h"
#include "cli/verbs/runs.h"

enum { COMPLETION_S = 2, NAMES_MAX = 200 };

static void complete_names(Cli *line, const Completion *completion, const char *prefix)
{
    const NounRow *noun = noun_find(completion->wanted->of);
    const char *path = NULL;
    const Json *answer = NULL;
    AUTO_FAIL ignored = {0};
    // Arguments before it may stand in its path: "vm nic plug web <nic>".
    for (size_t i = 0; i < line->command.values.count; i++) {
        Value *value = line->command.values.items[i];
        if (value->position && value->row->type == VALUE_REFERENCE &&
            resolve_name(line, value->row->of, value->text, &value->id, &ignored))
            return;
    }
    if (resolve_path(line, noun->path, NULL, &path, &ignored))
        return;
    if (noun->search && *prefix && !strpbrk(prefix, "\"'*; \\"))
        path = path_add(&line->arena, path, "search",
                        arena_format(&line->arena, "%s=%s*", noun->search, prefix));
    path = path_add(&line->arena, path, "max", arena_format(&line->arena, "%d", NAMES_MAX));
    if (noun->follow && strchr(noun->naming, '.'))
        path = path_add(&line->arena, path, "follow", noun->follow);
    if (rest_get(line, &line->arena, path, &answer, &ignored))
        return;
    JSON_EACH(rest_list(answer, noun->list), object) {
        const char *name = json_text_at(&line->arena, object, noun->naming);
        if (name && !strncmp(name, prefix, strlen(prefix)) && !strpbrk(name, "\n\t"))
            printf("%s\t%s\n", name, noun->name);
    }
}

static char **complete_words(const Cli *cli, int *ret_count)
{
    size_t count = cli->command.values.count;
    char **words = NEW_ARRAY(char *, count + 1);
    *ret_count = 0;
    VALUE_EACH(&cli->command, "WORD", value)
    words[(*ret_count)++] = (char *)value->text;
    return words;
}

int run_complete(Cli *cli, Fail *why)
{
    Completion completion;
    int count;
    AUTO_FREE char **words = complete_words(cli, &count);
    (void)why;
    alarm(COMPLETION_S); // ends the program: nobody waits longer for a completion
    completion_find(&cli->arena, cli->command.program, count, words, &completion);
    fputs(completion.text.data, stdout);
    if (completion.files)
        puts(":files");
    fflush(stdout);
    if (completion.wanted) {
        // The unfinished line takes the place of ours: its --connection, its arguments.
        Command own = cli->command;
        cli->command = completion.command;
        cli->quiet = true;
        complete_names(cli, &completion, words[count - 1]);
        cli->command = own;
    }
    fflush(stdout);
    completion_done(&completion);
    return 0;
}

int run_completion(Cli *cli, Fail *why)
{
    (void)why;
    completion_script(cli->command.program, command_text(&cli->command, "SHELL"), stdout);
    return 0;
}
