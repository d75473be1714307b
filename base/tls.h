// Inside of TlsContext, shared by tls.c and stream.c only.
#pragma once

#include <openssl/ssl.h>

#include "base/stream.h"

struct TlsContext {
    SSL_CTX *ssl;
    int references;
    bool client;
};

TlsContext *tls_context_ref(TlsContext *context);
