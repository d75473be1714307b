#include "cli/verbs/completion.h"

#include <string.h>

static void candidate(Completion *completion, const char *prefix, const char *word,
                      const char *help)
{
    if (strncmp(word, prefix, strlen(prefix)))
        return;
    strbuf_addf(&completion->text, "%s\t%s\n", word, help ? help : "");
}

static void complete_options(Completion *completion, const Program *program, const char *prefix)
{
    OPTION_EACH(program, completion->command.verb, option)
    {
        AUTO_FREE char *word = memory_format("--%s", option->name);
        bool again = option->flags & ROW_MANY || !command_value(&completion->command, option->name);
        if (again && !(option->flags & ROW_HIDDEN))
            candidate(completion, prefix, word, option->help);
    }
}

// The next word of nouns that go on from here, and the verbs of this noun.
static void complete_verbs(Completion *completion, const Program *program, const char *prefix)
{
    const char *noun = completion->command.noun;
    size_t length = strlen(noun);
    AUTO_FREE char *last = memory_string("");
    PROGRAM_EACH(program, verb)
    {
        if (!strcmp(verb->noun, noun) && verb->help)
            candidate(completion, prefix, verb->name, verb->help);
        bool longer = strlen(verb->noun) > length && !strncmp(verb->noun, noun, length) &&
                      (!length || verb->noun[length] == ' ');
        if (!longer)
            continue;
        const char *rest = verb->noun + length + (length > 0);
        AUTO_FREE char *word = memory_bytes(rest, strcspn(rest, " "));
        if (!strcmp(word, last))
            continue;
        const NounRow *row = noun_find(verb->noun);
        candidate(completion, prefix, word, row ? row->help : "");
        memory_freep(&last);
        last = TAKE(word);
    }
}

static void complete_value(Completion *completion, const VerbRow *row, const char *prefix)
{
    const char *words = row->type == VALUE_CHOICE    ? row->of
                        : row->type == VALUE_BOOLEAN ? "yes|no"
                                                     : NULL;
    completion->files = row->type == VALUE_FILE || row->type == VALUE_CONTENT;
    if (row->type == VALUE_REFERENCE)
        completion->wanted = row;
    while (words && *words) {
        size_t length = strcspn(words, "|");
        AUTO_FREE char *word = memory_bytes(words, length);
        candidate(completion, prefix, word, "");
        words += length + (words[length] == '|');
    }
}

// The argument that comes next.
static const VerbRow *next_argument(const Command *command)
{
    VERB_EACH(command->verb, ROW_ARGUMENT, row)
    if (!command_value(command, row->name) || row->flags & ROW_MANY)
        return row;
    return NULL;
}

// The word before the last one, when it is an option that takes a value.
static const VerbRow *open_option(const Program *program, const Command *command, int count,
                                  char **words)
{
    if (count < 2 || strncmp(words[count - 2], "--", 2) || strchr(words[count - 2], '='))
        return NULL;
    const VerbRow *option = option_find(program, command->verb, words[count - 2] + 2);
    return option && option->type != VALUE_FLAG ? option : NULL;
}

void completion_find(Arena *arena, const Program *program, int count, char **words, Completion *ret)
{
    *ret = (Completion){.command = {.program = program, .noun = ""}};
    strbuf_adds(&ret->text, "");
    if (!count)
        return;
    const char *prefix = words[count - 1];
    AUTO_FAIL ignored = {0};
    int result = command_parse(arena, program, count - 1, words, true, &ret->command, &ignored);
    const VerbRow *option = open_option(program, &ret->command, count, words);
    const VerbRow *argument = ret->command.verb ? next_argument(&ret->command) : NULL;
    if (option)
        complete_value(ret, option, prefix);
    else if (result) // what stands before is wrong already
        return;
    else if (*prefix == '-')
        complete_options(ret, program, prefix);
    else if (!ret->command.verb)
        complete_verbs(ret, program, prefix);
    else if (argument)
        complete_value(ret, argument, prefix);
}

void completion_done(Completion *completion)
{
    command_done(&completion->command);
    strbuf_done(&completion->text);
}

static const char bash_script[] =
    "# bash completion for %1$s\n"
    "_%2$s() {\n"
    "    local line IFS=$'\\n'\n"
    "    COMPREPLY=()\n"
    "    while read -r line; do\n"
    "        if [[ $line == :files ]]; then\n"
    "            compopt -o filenames\n"
    "            COMPREPLY+=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
    "        else\n"
    "            COMPREPLY+=(\"$(printf %%q \"${line%%%%$'\\t'*}\")\")\n"
    "        fi\n"
    "    done < <(%1$s complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _%2$s %1$s\n";

static const char zsh_script[] =
    "#compdef %1$s\n"
    "_%2$s() {\n"
    "    local line\n"
    "    local -a found\n"
    "    while IFS= read -r line; do\n"
    "        if [[ $line == :files ]]; then\n"
    "            _files\n"
    "        else\n"
    "            found+=(\"${${line%%%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "        fi\n"
    "    done < <(%1$s complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    (( $#found )) && _describe -t words %1$s found\n"
    "}\n"
    "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _%2$s \"$@\"; else compdef _%2$s %1$s; "
    "fi\n";

bool completion_script(const Program *program, const char *shell, FILE *to)
{
    AUTO_FREE char *function = memory_string(program->name);
    for (char *at = function; *at; at++)
        if (*at == '-')
            *at = '_';
    if (!strcmp(shell, "bash"))
        fprintf(to, bash_script, program->name, function);
    else if (!strcmp(shell, "zsh"))
        fprintf(to, zsh_script, program->name, function);
    else
        return false;
    return true;
}
