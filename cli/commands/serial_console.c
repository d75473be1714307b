#include "cli/commands/serial_console.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/client/json_path.h"
#include "cli/client/rest.h"
#include "cli/client/upgrade.h"
#include "cli/output/terminal.h"
#include "proto/console.h"

enum {
    KEY_LEAVE = 0x1d,      // Ctrl-]
    CONSOLE_TURN_MS = 250, // how late an interruption is seen at most
    CONSOLE_SILENCE_MS = 1000,
    CONSOLE_PIECE = 16384,
};

typedef enum ConsoleEnd {
    CONSOLE_GOES_ON,
    CONSOLE_LEFT,  // by the user
    CONSOLE_ENDED, // by the other side
    CONSOLE_BROKE,
} ConsoleEnd;

typedef struct Console {
    HttpClient *client;
    bool terminal, input_ended;
    StrBuf input; // to be sent
    int64_t heard_ms;
} Console;

// ---- bytes

static ConsoleEnd console_receive(Console *console)
{
    char piece[CONSOLE_PIECE];
    for (;;) {
        ssize_t got = http_connection_receive(console->client, piece, sizeof(piece));
        if (got == -EAGAIN)
            return CONSOLE_GOES_ON;
        if (got <= 0)
            return got ? CONSOLE_BROKE : CONSOLE_ENDED;
        console->heard_ms = clock_monotonic_ms();
        if (fd_write_all(STDOUT_FILENO, piece, (size_t)got))
            return CONSOLE_LEFT; // nobody looks any more
        if (http_interrupted())
            return CONSOLE_LEFT;
    }
}

static ConsoleEnd console_send(Console *console)
{
    while (console->input.length) {
        ssize_t sent =
            http_connection_send(console->client, console->input.data, console->input.length);
        if (sent == -EAGAIN)
            return CONSOLE_GOES_ON;
        if (sent < 0)
            return CONSOLE_BROKE;
        strbuf_consume(&console->input, (size_t)sent);
        console->heard_ms = clock_monotonic_ms();
    }
    return CONSOLE_GOES_ON;
}

static ConsoleEnd console_type(Console *console)
{
    char keys[CONSOLE_PIECE];
    ssize_t got = read(STDIN_FILENO, keys, sizeof(keys));
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return CONSOLE_GOES_ON;
    if (got <= 0) {
        console->input_ended = true;
        return console->terminal ? CONSOLE_LEFT : CONSOLE_GOES_ON;
    }
    const char *leave = console->terminal ? memchr(keys, KEY_LEAVE, (size_t)got) : NULL;
    strbuf_add(&console->input, keys, leave ? (size_t)(leave - keys) : (size_t)got);
    if (!leave)
        return CONSOLE_GOES_ON;
    console_send(console);
    return CONSOLE_LEFT;
}

// Waits for keys, for the guest, or for room to send.
static bool console_poll(Console *console)
{
    bool sending = console->input.length;
    struct pollfd both[] = {
        {.fd = http_connection_fd(console->client),
         .events = (short)(POLLIN | (sending ? POLLOUT : 0))},
        {.fd = sending || console->input_ended ? -1 : STDIN_FILENO, .events = POLLIN},
    };
    return poll(both, 2, CONSOLE_TURN_MS) > 0 && both[1].revents;
}

static bool console_is_silent(const Console *console)
{
    return console->input_ended && !console->input.length &&
           clock_monotonic_ms() - console->heard_ms > CONSOLE_SILENCE_MS;
}

static ConsoleEnd console_loop(Console *console)
{
    ConsoleEnd end = CONSOLE_GOES_ON;
    console->heard_ms = clock_monotonic_ms();
    while (end == CONSOLE_GOES_ON) {
        bool typed = console_poll(console);
        end = console_receive(console);
        if (end == CONSOLE_GOES_ON && typed)
            end = console_type(console);
        if (end == CONSOLE_GOES_ON)
            end = console_send(console);
        if (end == CONSOLE_GOES_ON && (http_interrupted() || console_is_silent(console)))
            end = CONSOLE_LEFT;
    }
    return end;
}

// ---- what is told

static int console_ended(Cli *cli, const Value *vm, ConsoleEnd end, Fail *why)
{
    AUTO_FAIL trouble = {0};
    const Json *object = NULL;
    const char *path = arena_format(&cli->arena, "vms/%s", vm->id);
    const char *status = rest_get(cli, &cli->arena, path, &object, &trouble)
                             ? NULL
                             : json_get_string(object, "status");
    if (status && !strcmp(status, "down")) {
        fprintf(stderr, "vm %s has ended.\n", vm->text);
        return 0;
    }
    fail_set(why, FAIL_INTERNAL, "The serial console of %s %s.", vm->text,
             end == CONSOLE_BROKE ? "broke off" : "was closed");
    if (status)
        fail_detail(why, "the virtual machine is %s", status);
    fail_hint(why, "Open it again with: vireo vm console %s --serial", vm->text);
    return fail_to_errno(FAIL_INTERNAL);
}

static int console_show(Cli *cli, Console *console, const Value *vm, Fail *why)
{
    console->terminal = isatty(STDIN_FILENO);
    if (console->terminal && !cli->quiet)
        fprintf(stderr, "The serial console of %s. Ctrl-] leaves it.\n", vm->text);
    if (!terminal_raw())
        return fail_errno(why, FAIL_INTERNAL, errno, "The terminal can't be set to raw mode");
    ConsoleEnd end = console_loop(console);
    terminal_restore();
    if (console->terminal && !cli->quiet)
        fputs(end == CONSOLE_LEFT ? "\nLeft the serial console.\n" : "\n", stderr);
    return end == CONSOLE_LEFT ? 0 : console_ended(cli, vm, end, why);
}

int serial_console_run(Cli *cli, const Value *vm, Fail *why)
{
    AUTO(http_client) HttpClient *client = NULL;
    AUTO_STRBUF early = {0};
    Console console = {0};
    const char *path = arena_format(&cli->arena, CONSOLE_PATH "%s" CONSOLE_SERIAL, vm->id);
    int result = upgrade_open(cli, path, CONSOLE_PROTOCOL, &client, &early, why);
    if (!result)
        result = fd_write_all(STDOUT_FILENO, early.data, early.length);
    if (result)
        return result;
    console.client = client;
    result = console_show(cli, &console, vm, why);
    strbuf_done(&console.input);
    return result;
}
