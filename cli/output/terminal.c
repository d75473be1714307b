#include "cli/output/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/client/http_client.h"

static struct termios before;
static volatile sig_atomic_t is_raw;

void terminal_restore(void)
{
    if (!is_raw)
        return;
    is_raw = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

// The loop that reads the terminal sees it and ends in good order.
static void terminal_ended(int number)
{
    (void)number;
    http_interrupt();
}

// A crash leaves no usable terminal behind otherwise. tcsetattr() is safe here.
static void terminal_crashed(int number)
{
    terminal_restore();
    signal(number, SIG_DFL);
    raise(number);
}

static void terminal_handle_signals(void)
{
    static const int ends[] = {SIGHUP, SIGQUIT, SIGTERM, SIGINT};
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    struct sigaction ended = {.sa_handler = terminal_ended};
    struct sigaction crashed = {.sa_handler = terminal_crashed};
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        sigaction(ends[i], &ended, NULL);
    for (size_t i = 0; i < COUNT_OF(crashes); i++)
        sigaction(crashes[i], &crashed, NULL);
    signal(SIGTSTP, SIG_IGN); // the shell would get a raw terminal
}

bool terminal_raw(void)
{
    struct termios raw;
    if (!isatty(STDIN_FILENO))
        return true;
    if (tcgetattr(STDIN_FILENO, &before))
        return false;
    raw = before;
    cfmakeraw(&raw);
    atexit(terminal_restore);
    terminal_handle_signals();
    is_raw = 1;
    if (!tcsetattr(STDIN_FILENO, TCSADRAIN, &raw))
        return true;
    is_raw = 0;
    return false;
}
