// The command line as a table: every noun, verb, argument and option is a row of a .def file. The
// parser, the help, the manual page, completion and the plain verbs read the same rows.
#pragma once

#include "base/fail.h"

typedef struct Command Command;
typedef struct Cli Cli;

typedef enum ValueType {
    VALUE_FLAG, // an option without value
    VALUE_TEXT,
    VALUE_SIZE,      // 10G
    VALUE_COUNT,     // 4
    VALUE_SECONDS,   // 90, 15m, 2h
    VALUE_BOOLEAN,   // yes, no
    VALUE_CPUS,      // 4, or SOCKETS:CORES:THREADS
    VALUE_CHOICE,    // one of the words in `of`
    VALUE_REFERENCE, // name or id of the noun in `of`
    VALUE_FILE,      // path
    VALUE_CONTENT,   // path; the value is what the file holds, without the last line's end
    _VALUE_MAX,
} ValueType;

typedef enum RowKind { ROW_VERB, ROW_ARGUMENT, ROW_OPTION, ROW_CONSTANT } RowKind;

enum {
    ROW_REQUIRED = 1,
    ROW_MANY = 2,    // can be given several times; of arguments: the last one
    ROW_SOLE = 4,    // a reference that may be left out when there is only one such object
    ROW_HIDDEN = 8,  // works but is not shown
    ROW_MAYBE = 16,  // an argument that can be left out
    ROW_SEARCH = 32, // only for nouns that can be searched
};

typedef int (*VerbRun)(Cli *cli, Fail *why);

typedef struct VerbRow {
    RowKind kind;
    const char *noun; // "vm disk", or "" of verbs that stand alone
    const char *name; // "add"; of an argument "VM"; of an option "memory"
    // Verbs.
    VerbRun run;
    const char *call;  // "POST vms/{1}/start"
    const char *until; // what is waited for, see client/wait.h; NULL: nothing
    const char *done;  // what has happened then: "started"
    // Arguments and options.
    ValueType type;
    const char *of; // noun of a reference, words of a choice, else NULL
    int flags;
    const char *target; // where it goes: "cpu.topology" in the body, "?force" in the query
    const char *value;  // of a constant, JSON; of an option, what it has when it is not given
    const char *help;
} VerbRow;

typedef enum Format {
    FORMAT_TEXT,
    FORMAT_STATUS,
    FORMAT_STORAGE, // status of a storage domain, which its data centre knows
    FORMAT_SIZE,
    FORMAT_COUNT,
    FORMAT_YES, // "yes" or "no"
    FORMAT_TIME,
    FORMAT_AGE,     // since then
    FORMAT_CPUS,    // of a topology
    FORMAT_VERSION, // of a version
    FORMAT_NAME,    // of a link to a noun
    FORMAT_TABLE,   // a list of another noun
    FORMAT_VALUE,   // of a statistic
} Format;

typedef enum Place { IN_LIST = 1, IN_SHOW = 2, IN_BOTH = 3 } Place;

// A row without a path is a column of the noun above it.
typedef struct NounRow {
    const char *name;   // "vm disk"; of a column its heading
    const char *path;   // "vms/{1}/diskattachments"; NULL: a column
    const char *list;   // member that holds the objects: "disk_attachment"
    const char *naming; // members that name an object, "name|alias"
    const char *search; // field of the search language for the name, NULL: not searchable
    const char *follow; // what a list needs inlined
    const char *show;   // what a single object needs inlined
    const char *sole;   // "type=data": objects that count when only one is looked for
    const char *help;
    // Columns.
    const char *member;
    Format format;
    const char *of; // noun of FORMAT_NAME and FORMAT_TABLE
    Place place;
} NounRow;

// A section of the manual page (no text), or an item in it.
typedef struct ManualNote {
    const char *head, *text;
} ManualNote;

typedef struct Program {
    const char *name; // "vireo"
    int section;      // of the manual
    const char *title, *about;
    const VerbRow *rows, *common, *listing, *waiting; // each ends with a row without name
    const ManualNote *notes;                          // the manual page's end
} Program;

extern const Program vireo_program;

// Rows of one kind behind a verb; NULL at the end. `after` NULL begins.
const VerbRow *verb_next_row(const VerbRow *verb, const VerbRow *after, RowKind kind);
#define VERB_EACH(verb, wanted, row)                                      \
    for (const VerbRow *row = verb_next_row((verb), NULL, (wanted)); row; \
         row = verb_next_row((verb), row, (wanted)))
// The verb rows of a program.
const VerbRow *program_next_verb(const Program *program, const VerbRow *after);
#define PROGRAM_EACH(program, verb)                                      \
    for (const VerbRow *verb = program_next_verb((program), NULL); verb; \
         verb = program_next_verb((program), verb))

const VerbRow *verb_find(const Program *program, const char *noun, const char *name);
// True when the program has verbs of this noun, or of one that goes on: "vm" of "vm disk".
bool noun_begins(const Program *program, const char *noun);
// An option of the verb or one that all verbs, or all of its kind, have. `verb` may be NULL.
const VerbRow *option_find(const Program *program, const VerbRow *verb, const char *name);
// The next option a verb has, its own first; NULL at the end. `after` NULL begins.
const VerbRow *option_next(const Program *program, const VerbRow *verb, const VerbRow *after);
#define OPTION_EACH(program, verb, option)                                     \
    for (const VerbRow *option = option_next((program), (verb), NULL); option; \
         option = option_next((program), (verb), option))
bool verb_waits(const VerbRow *verb);

const NounRow *noun_find(const char *name);
// True for the last word of a noun's path, with what stands before it: "/nics".
bool noun_is_collection(const char *word);
const NounRow *noun_next_column(const NounRow *noun, const NounRow *after);
#define COLUMN_EACH(noun, column)                                        \
    for (const NounRow *column = noun_next_column((noun), NULL); column; \
         column = noun_next_column((noun), column))

// "SIZE", "VM", "spice|vnc": what stands for a value in usage lines. Caller frees.
char *row_placeholder(const VerbRow *row);
