// Structured log. To the journal's native protocol when its socket is the place stderr goes to,
// otherwise one line of logfmt per message on stderr.
//
//   log_warn("host.silent", LOG_ID("host", id), "No answer from %s for %d s.", name, seconds);
//
// The first argument is a stable name that people can search for; fields come before the text.
// Only the top layer of a program logs; libraries return errors. Callable from any thread.
#pragma once

#include <stdbool.h>

typedef enum LogLevel {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    _LOG_LEVEL_MAX,
    _LOG_LEVEL_INVALID = -22,
} LogLevel;

typedef struct LogField {
    const char *key, *value;
} LogField;

#define LOG_ID(key, value) ((LogField){(key), (value)})
#define LOG_NONE           ((LogField){0})

// `program` must be a literal. Called once at start.
void log_init(const char *program);
void log_set_level(LogLevel level);
bool log_enabled(LogLevel level);
LogLevel log_level_from_name(const char *name);

void log_write(LogLevel level, const char *name, LogField field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define log_at(level, ...)                 \
    do {                                   \
        if (log_enabled(level))            \
            log_write(level, __VA_ARGS__); \
    } while (0)
#define log_debug(...)  log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)   log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_notice(...) log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_warn(...)   log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)  log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
