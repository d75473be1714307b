#include "base/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/close_range.h>

struct Spawn {
    uv_process_t process;
    uv_pipe_t in, out, err;
    uv_timer_t timer;
    StrBuf output, errors;
    char *input;
    uv_write_t write;
    SpawnResult result;
    SpawnDone done;
    void *argument;
    SpawnHeard heard;
    void *heard_argument;
    int open_pipes; // outputs not yet at their end
    bool exited;
    int handles; // not yet closed; the last one frees the whole
};

static void spawn_closed(uv_handle_t *handle)
{
    Spawn *spawn = handle->data;
    if (--spawn->handles)
        return;
    strbuf_done(&spawn->output);
    strbuf_done(&spawn->errors);
    free(spawn->input);
    free(spawn);
}

static void spawn_close_handle(Spawn *spawn, uv_handle_t *handle)
{
    handle->data = spawn;
    if (!uv_is_closing(handle))
        uv_close(handle, spawn_closed);
}

static void spawn_finish(Spawn *spawn)
{
    if (!spawn->exited || spawn->open_pipes)
        return;
    strbuf_reserve(&spawn->output, 0);
    strbuf_reserve(&spawn->errors, 0);
    spawn->output.data[spawn->output.length] = 0;
    spawn->errors.data[spawn->errors.length] = 0;
    spawn->result.output = spawn->output.data;
    spawn->result.output_length = spawn->output.length;
    spawn->result.errors = spawn->errors.data;
    spawn->done(&spawn->result, spawn->argument);
    spawn_close_handle(spawn, (uv_handle_t *)&spawn->process);
    spawn_close_handle(spawn, (uv_handle_t *)&spawn->in);
    spawn_close_handle(spawn, (uv_handle_t *)&spawn->out);
    spawn_close_handle(spawn, (uv_handle_t *)&spawn->err);
    spawn_close_handle(spawn, (uv_handle_t *)&spawn->timer);
}

static void spawn_exited(uv_process_t *process, int64_t status, int signal)
{
    Spawn *spawn = process->data;
    spawn->result.exit_code = signal ? -1 : (int)status;
    spawn->result.signal = signal;
    spawn->exited = true;
    spawn_finish(spawn); // the time-out runs on while descendants hold the outputs
}

static void spawn_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    Spawn *spawn = handle->data;
    StrBuf *to = handle == (uv_handle_t *)&spawn->out ? &spawn->output : &spawn->errors;
    (void)suggested;
    strbuf_reserve(to, 16384);
    *buffer = uv_buf_init(to->data + to->length, 16384);
}

static void spawn_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
    Spawn *spawn = stream->data;
    StrBuf *to = stream == (uv_stream_t *)&spawn->out ? &spawn->output : &spawn->errors;
    if (length > 0 && spawn->heard && to == &spawn->output)
        spawn->heard(buffer->base, (size_t)length, spawn->heard_argument);
    if (length > 0)
        to->length += (size_t)length;
    if (to->length > SPAWN_OUTPUT_MAX)
        to->length = SPAWN_OUTPUT_MAX;
    if (length >= 0)
        return;
    uv_read_stop(stream);
    spawn->open_pipes--;
    spawn_finish(spawn);
}

static void spawn_timeout(uv_timer_t *timer)
{
    Spawn *spawn = timer->data;
    spawn->result.timed_out = true;
    kill(-spawn->process.pid, SIGKILL);
    uv_read_stop((uv_stream_t *)&spawn->out); // whoever left the group may hold them for ever
    uv_read_stop((uv_stream_t *)&spawn->err);
    spawn->open_pipes = 0;
    spawn_finish(spawn);
}

static void spawn_written(uv_write_t *write, int status)
{
    Spawn *spawn = write->data;
    (void)status;
    if (!uv_is_closing((uv_handle_t *)&spawn->in))
        spawn_close_handle(spawn, (uv_handle_t *)&spawn->in);
}

static void spawn_start_failed(uv_timer_t *timer)
{
    Spawn *spawn = timer->data;
    spawn->exited = true;
    spawn_finish(spawn);
}

static void spawn_feed(Spawn *spawn, const char *input)
{
    spawn->input = memory_string(input);
    uv_buf_t data = uv_buf_init(spawn->input, (unsigned)strlen(spawn->input));
    spawn->write.data = spawn;
    uv_write(&spawn->write, (uv_stream_t *)&spawn->in, &data, 1, spawn_written);
}

Spawn *spawn_start(uv_loop_t *loop, const char *const argv[], const char *input, int timeout_ms,
                   SpawnDone done, void *argument)
{
    static const char *const environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    Spawn *spawn = NEW(Spawn);
    spawn->done = done;
    spawn->argument = argument;
    spawn->handles = 5;
    uv_pipe_init(loop, &spawn->in, 0);
    uv_pipe_init(loop, &spawn->out, 0);
    uv_pipe_init(loop, &spawn->err, 0);
    uv_timer_init(loop, &spawn->timer);
    spawn->process.data = spawn->in.data = spawn->out.data = spawn->err.data = spawn->timer.data =
        spawn;
    uv_stdio_container_t files[3] = {
        {.flags = input ? UV_CREATE_PIPE | UV_READABLE_PIPE : UV_IGNORE,
         .data.stream = (uv_stream_t *)&spawn->in},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&spawn->out},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&spawn->err},
    };
    uv_process_options_t options = {.file = argv[0],
                                    .args = (char **)argv,
                                    .env = (char **)environment,
                                    .flags = UV_PROCESS_DETACHED, // its descendants are its group
                                    .exit_cb = spawn_exited,
                                    .stdio = files,
                                    .stdio_count = 3};
    signal(SIGPIPE, SIG_IGN); // libuv would let us die of a program that doesn't read its input
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC); // libraries forget O_CLOEXEC
    int error = uv_spawn(loop, &spawn->process, &options);
    if (error) {
        spawn->result = (SpawnResult){.exit_code = -1, .start_error = error};
        uv_timer_start(&spawn->timer, spawn_start_failed, 0, 0);
        return spawn;
    }
    spawn->open_pipes = 2;
    uv_read_start((uv_stream_t *)&spawn->out, spawn_allocate, spawn_read);
    uv_read_start((uv_stream_t *)&spawn->err, spawn_allocate, spawn_read);
    if (input)
        spawn_feed(spawn, input);
    if (timeout_ms)
        uv_timer_start(&spawn->timer, spawn_timeout, (uint64_t)timeout_ms, 0);
    return spawn;
}

void spawn_kill(Spawn *spawn, int signal)
{
    if (!spawn->exited && !spawn->result.start_error) // -0 would be our own group
        kill(-spawn->process.pid, signal);
}

void spawn_on_output(Spawn *spawn, SpawnHeard heard, void *argument)
{
    spawn->heard = heard;
    spawn->heard_argument = argument;
}

int spawn_pid(const Spawn *spawn)
{
    return spawn->process.pid;
}

// The last non-empty line says most in nearly every program, but for remarks: they are indented.
static char *spawn_last_line(const char *text)
{
    size_t end = strlen(text), start;
    for (;;) {
        while (end && strchr(" \n\r\t", text[end - 1]))
            end--;
        for (start = end; start && text[start - 1] != '\n';)
            start--;
        if (!start || !strchr(" \t", text[start]))
            return memory_bytes(text + start, end - start);
        end = start;
    }
}

bool spawn_succeeded(const SpawnResult *result, const char *program, Fail *why)
{
    if (!result->start_error && !result->exit_code && !result->timed_out)
        return true;
    AUTO_FREE char *line = spawn_last_line(*result->errors ? result->errors : result->output);
    if (result->start_error)
        fail_errno(why, FAIL_INTERNAL, result->start_error, "%s could not be started", program);
    else if (result->timed_out)
        fail_set(why, FAIL_TIMED_OUT, "%s did not end in time and was killed", program);
    else if (result->signal)
        fail_set(why, FAIL_INTERNAL, "%s was killed by signal %d", program, result->signal);
    else
        fail_set(why, FAIL_INTERNAL, "%s failed with exit code %d", program, result->exit_code);
    if (*line)
        fail_detail(why, "%s", line);
    return false;
}

typedef struct SpawnWait {
    const char *program;
    char **ret_output;
    Fail *why;
    bool good;
} SpawnWait;

static void spawn_waited(const SpawnResult *result, void *argument)
{
    SpawnWait *wait = argument;
    wait->good = spawn_succeeded(result, wait->program, wait->why);
    if (wait->good && wait->ret_output)
        *wait->ret_output = memory_bytes(result->output, result->output_length);
}

int spawn_run(const char *const argv[], const char *input, int timeout_ms, char **ret_output,
              Fail *why)
{
    AUTO_FAIL local = {0};
    SpawnWait wait = {.program = argv[0], .ret_output = ret_output, .why = why ? why : &local};
    uv_loop_t loop;
    uv_loop_init(&loop);
    spawn_start(&loop, argv, input, timeout_ms, spawn_waited, &wait);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return wait.good ? 0 : fail_to_errno(wait.why->code);
}
