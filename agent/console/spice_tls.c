#include "agent/console/spice_tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/console/qemu_config.h"
#include "agent/identity.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"

static const char config_path[] = "/etc/libvirt/qemu.conf";
// Where AppArmor lets QEMU read.
#define FOLDER "/etc/pki/libvirt-spice"

enum { CONFIG_MAX = 1024 * 1024, GROUP_QEMU = 36 };

// ---- qemu.conf

static char *config_read(void)
{
    char *text = NULL;
    size_t length;
    return file_read(config_path, CONFIG_MAX, &text, &length) ? NULL : text;
}

static bool config_encrypts(const char *text)
{
    const char *value = text ? qemu_config_value(text, "spice_tls") : NULL;
    return value && atoi(value) != 0;
}

bool spice_tls_is_on(void)
{
    AUTO_FREE char *text = config_read();
    return config_encrypts(text);
}

int spice_tls_switch_on(Fail *why)
{
    static const char lines[] = "\n# Consoles are encrypted with this host's certificate.\n"
                                "spice_tls = 1\n"
                                "spice_tls_x509_cert_dir = \"" FOLDER "\"\n";
    AUTO_FREE char *before = config_read();
    if (!before || qemu_config_value(before, "spice_tls"))
        return 0;
    struct stat about;
    AUTO_STRBUF text = {0};
    strbuf_adds(&text, before);
    strbuf_adds(&text, lines);
    int result = stat(config_path, &about) ? -errno : directory_make(FOLDER, 0755);
    if (!result) // libvirtd does not start without the folder
        result = file_write_atomic(config_path, text.data, text.length, about.st_mode & 0777);
    return result ? fail_errno(why, FAIL_INTERNAL, result, "%s can't be changed", config_path) : 1;
}

// ---- the certificate

static bool folder_is_ours(const char *authority)
{
    static const char quoted[] = "\"" FOLDER "\"";
    AUTO_FREE char *text = config_read(), *there = NULL;
    const char *named = text ? qemu_config_value(text, "spice_tls_x509_cert_dir") : NULL;
    size_t length;
    if (!named || !config_encrypts(text) || strncmp(named, quoted, strlen(quoted)))
        return false;
    return file_read(FOLDER "/ca-cert.pem", CONFIG_MAX, &there, &length) ||
           !strcmp(there, authority);
}

// The account of QEMU belongs to the owners of storage domains.
static int provide_file(const char *name, const char *text, mode_t mode)
{
    AUTO_FREE char *path = memory_format("%s/%s", FOLDER, name);
    int result = file_write_atomic(path, text, strlen(text), mode);
    if (!result && chown(path, 0, GROUP_QEMU))
        result = -errno;
    return result;
}

void spice_tls_provide(const Agent *agent)
{
    static const struct {
        const char *from, *to;
        mode_t mode;
    } rows[] = {{"agent.crt", "server-cert.pem", 0644},
                {"agent.key", "server-key.pem", 0640},
                {"ca.crt", "ca-cert.pem", 0644}};
    AUTO_FREE char *path = agent_pki_path(&agent->config, "ca.crt"), *authority = NULL;
    size_t length;
    if (file_read(path, CONFIG_MAX, &authority, &length) || !folder_is_ours(authority))
        return;
    int result = directory_make(FOLDER, 0755);
    for (size_t i = 0; !result && i < COUNT_OF(rows); i++) {
        AUTO_FREE char *source = agent_pki_path(&agent->config, rows[i].from), *text = NULL;
        result = file_read(source, CONFIG_MAX, &text, &length);
        if (!result)
            result = provide_file(rows[i].to, text, rows[i].mode);
    }
    if (result)
        log_warn("spice.certificate", LOG_NONE,
                 "QEMU gets no certificate in %s, so VMs with SPICE can't be started: %s", FOLDER,
                 strerror(-result));
}
