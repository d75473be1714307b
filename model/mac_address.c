#include "model/mac_address.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool mac_parse(const char *text, uint64_t *ret)
{
    uint64_t address = 0;
    if (!text || strlen(text) != MAC_SIZE - 1)
        return false;
    for (int i = 0; i < MAC_SIZE - 1; i++) {
        char c = (char)tolower((unsigned char)text[i]);
        if (i % 3 == 2) {
            if (c != ':' && c != '-')
                return false;
            continue;
        }
        if (!isxdigit((unsigned char)c))
            return false;
        address = address << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    *ret = address;
    return true;
}

char *mac_format(uint64_t address, char text[MAC_SIZE])
{
    snprintf(text, MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", (unsigned)(address >> 40 & 255),
             (unsigned)(address >> 32 & 255), (unsigned)(address >> 24 & 255),
             (unsigned)(address >> 16 & 255), (unsigned)(address >> 8 & 255),
             (unsigned)(address & 255));
    return text;
}

bool mac_is_unicast(uint64_t address)
{
    return !(address >> 40 & 1);
}
