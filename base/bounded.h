// Calls that may hang for ever, such as the first touch of a mount whose server is gone: they run
// on a thread of their own and are left behind after a while.
#pragma once

// Runs `run(argument)` and waits at most `timeout_ms`. 0 when it ended in time: the caller then
// owns the argument. -ETIMEDOUT: the thread owns it and calls `abandoned(argument)` when it ends
// after all.
int bounded_call(void (*run)(void *argument), void (*abandoned)(void *argument), void *argument,
                 int timeout_ms);
