// Settings in libvirt's qemu.conf.
#pragma once

// Where the value of the last line "key = value" begins in `text`, or NULL. Strings have quotes.
const char *qemu_config_value(const char *text, const char *key);
