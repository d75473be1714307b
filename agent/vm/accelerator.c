#include "agent/vm/accelerator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/spawn.h"

enum {
    PROBE_MS = 4000,
    PROBE_ROM = 64 * 1024,
    PROBE_VALUE = 0x10, // QEMU ends with (value << 1) | 1
};

// A firmware of one instruction pair: tells QEMU's debug-exit port a value, then halts. The CPU
// starts at the last 16 bytes of the ROM.
static void probe_rom(unsigned char rom[PROBE_ROM])
{
    static const unsigned char reset[] = {
        0xb0, PROBE_VALUE, // mov al, PROBE_VALUE
        0xe6, 0xf4,        // out 0xf4, al
        0xf4,              // hlt
        0xeb, 0xfd,        // jmp to the hlt
    };
    memset(rom, 0x90, PROBE_ROM);
    memcpy(rom + PROBE_ROM - 16, reset, sizeof(reset));
}

typedef struct ProbeWait {
    int exit_code;
    bool timed_out;
    char *errors;
} ProbeWait;

static void probe_done(const SpawnResult *result, void *argument)
{
    ProbeWait *wait = argument;
    wait->exit_code = result->exit_code;
    wait->timed_out = result->timed_out;
    wait->errors = memory_string(result->start_error ? "QEMU can't be started" : result->errors);
    if (wait->errors)
        wait->errors[strcspn(wait->errors, "\n")] = 0;
}

static bool probe_run(const char *rom, ProbeWait *wait)
{
    const char *argv[] = {"qemu-system-x86_64",
                          "-accel",
                          "kvm",
                          "-machine",
                          "isapc",
                          "-nodefaults",
                          "-no-user-config",
                          "-display",
                          "none",
                          "-m",
                          "4",
                          "-bios",
                          rom,
                          "-device",
                          "isa-debug-exit,iobase=0xf4,iosize=0x01",
                          "-no-reboot",
                          NULL};
    uv_loop_t loop;
    uv_loop_init(&loop);
    spawn_start(&loop, argv, NULL, PROBE_MS, probe_done, wait);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return wait->exit_code == (PROBE_VALUE << 1 | 1);
}

static Accelerator probe_kvm(const Config *config, char **ret_reason)
{
    if (access("/dev/kvm", R_OK | W_OK)) {
        *ret_reason = memory_format("/dev/kvm can't be used: %s. Is virtualization switched on in "
                                    "the firmware?",
                                    strerror(errno));
        return ACCELERATOR_TCG;
    }
    ProbeWait wait = {0};
    AUTO_FREE char *path = memory_format("%s/probe.rom", config->run_directory);
    AUTO_FREE unsigned char *rom = memory_new(1, PROBE_ROM);
    probe_rom(rom);
    if (file_write_atomic(path, rom, PROBE_ROM, 0600) == 0 && probe_run(path, &wait)) {
        unlink(path);
        free(wait.errors);
        *ret_reason = memory_string("A probe guest ran with KVM.");
        return ACCELERATOR_KVM;
    }
    unlink(path);
    if (wait.timed_out)
        *ret_reason = memory_string("/dev/kvm is there, but a probe guest hung in it.");
    else
        *ret_reason = memory_format("/dev/kvm is there, but a probe guest failed in it: %s",
                                    wait.errors && *wait.errors ? wait.errors : "no reason given");
    free(wait.errors);
    return ACCELERATOR_TCG;
}

Accelerator accelerator_probe(const Config *config, char **ret_reason)
{
    if (!strcmp(config->accelerator, "kvm") || !strcmp(config->accelerator, "tcg")) {
        *ret_reason = memory_string("The configuration says so.");
        return !strcmp(config->accelerator, "kvm") ? ACCELERATOR_KVM : ACCELERATOR_TCG;
    }
    return probe_kvm(config, ret_reason);
}
